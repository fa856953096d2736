"""The quorum's side of leases: accept, promise, forget safely.  A pure machine, all in memory.

A witness that restarted has forgotten what it accepted *and what it promised*.  So it says nothing for
the longest D, and nothing about a host until the HA manager taught it which leases of that host were
proven dead: a host that holds quiet outlives D by hours and would find its old lease acked again.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from tegar.guard.datagram import (
    Ack,
    Answer,
    AnyMessage,
    Ask,
    Challenge,
    Moved,
    Record,
    Recorded,
    Renew,
    Teach,
)

NEVER = 2**62  # an epoch no lease reaches: nothing of that boot is accepted
BOOTS_KEPT = 16  # a machine has one boot at a time; the sixteenth before it is long over
VMS_KEPT = 200_000


@dataclass(slots=True)
class _Floor:
    """Renewals of a boot below the epoch are refused."""

    epoch: int
    heard_s: float  # when one was last accepted


@dataclass(slots=True)
class _Host:
    taught: bool
    deaf_until_s: float  # it accepted nobody before; silence before then says nothing about the host
    heard_s: float
    boot: str = ""
    epoch: int = 0
    seq: int = 0
    dead_s: float = 0.0
    switches: int = 0
    floors: dict[str, _Floor] = field(default_factory=dict)


class Witness:
    """Answers every message with at most one."""

    def __init__(
        self,
        name: str,
        hosts: Iterable[str],
        *,
        now_s: float,
        incarnation: int,
        secret: bytes,
        longest_dead_s: float,
        first: bool = False,
    ) -> None:
        """Begin, knowing nothing.

        Args:
            name: of the witness.
            hosts: those it serves; nobody else gets any memory.
            now_s: its own CLOCK_BOOTTIME.
            incarnation: a number that no start of this witness had before.
            secret: random, new with every start; tokens are made with it.
            longest_dead_s: the longest D of any host: how long to be silent.  Leases with a longer D
                are refused.
            first: the cluster is new, so there is nothing to have forgotten.
        """
        self.name, self.incarnation, self.started_s = name, incarnation, now_s
        self.longest_dead_s = longest_dead_s
        self._secret = secret
        self._ready_s = now_s if first else now_s + longest_dead_s
        self._hosts = {host: _Host(first, self._ready_s, self._ready_s) for host in hosts}
        self._vms: dict[str, int] = {}

    def take(self, now_s: float, message: AnyMessage) -> AnyMessage | None:
        """Return the answer, None for silence.  *now_s* is the witness's CLOCK_BOOTTIME."""
        if isinstance(message, Renew):
            return self._renew(now_s, message)
        if isinstance(message, Ask):
            return self._ask(now_s, message)
        if isinstance(message, Record):
            return self._record(now_s, message)
        if isinstance(message, Teach):
            self._learn(now_s, message)
        return None

    # ── wardens ───────────────────────────────────────────────────────────────────────────────────

    def _renew(self, now_s: float, it: Renew) -> AnyMessage | None:
        host = self._hosts.get(it.host)
        if host is None or not host.taught or now_s < self._ready_s or it.dead_s > self.longest_dead_s:
            return None
        floor = host.floors.get(it.boot)
        if floor is not None and it.epoch < floor.epoch:
            return Moved(it.host, it.boot, floor.epoch)
        if it.boot != host.boot:
            token = self._token(it.host, it.boot, host.switches)
            if not hmac.compare_digest(token, it.token):
                return Challenge(it.host, it.boot, token)
            self._switch(host, it)
        elif it.seq <= host.seq:
            return None  # a duplicate, a late one, or a replay
        if it.epoch > host.epoch:
            self._raise(host, it.boot, it.epoch, host.heard_s)
        host.epoch, host.seq, host.dead_s, host.heard_s = it.epoch, it.seq, it.dead_s, now_s
        return Ack(it.host, it.boot, it.epoch, it.seq)

    def _token(self, host: str, boot: str, switches: int) -> bytes:
        """Return what only somebody who hears us now can know: old renewals cannot hold it."""
        return hmac.digest(self._secret, f"{host}/{boot}/{switches}".encode(), "sha256")[:16]

    def _switch(self, host: _Host, it: Renew) -> None:
        """A new boot: the one before is over for good."""
        if host.boot:
            self._raise(host, host.boot, NEVER, host.heard_s)
        host.boot, host.epoch, host.switches = it.boot, it.epoch, host.switches + 1

    def _raise(self, host: _Host, boot: str, epoch: int, heard_s: float) -> None:
        known = host.floors.get(boot)
        if known is None or epoch > known.epoch:
            host.floors[boot] = _Floor(epoch, heard_s)
        while len(host.floors) > BOOTS_KEPT:
            del host.floors[next(iter(host.floors))]

    # ── the HA manager ────────────────────────────────────────────────────────────────────────────

    def _ask(self, now_s: float, it: Ask) -> Answer | None:
        host = self._hosts.get(it.host)
        if host is None:
            return None
        ready = host.taught and now_s >= self._ready_s
        current = it.boot == host.boot
        dead_s = host.dead_s if current and host.dead_s else self.longest_dead_s
        floor = host.floors.get(it.boot)
        promised = floor is not None and it.epoch < floor.epoch
        heard_s = host.heard_s
        if floor is not None and promised:
            heard_s = floor.heard_s
        elif not current:
            heard_s = host.deaf_until_s
        if it.promise and ready and not promised and now_s - heard_s >= dead_s:
            self._raise(host, it.boot, it.epoch + 1, heard_s)
            promised = True
        return Answer(
            self.incarnation,
            it.nonce,
            it.host,
            it.boot,
            it.epoch,
            ready,
            ready and promised,
            max(0.0, now_s - heard_s),
            dead_s,
            host.boot,
            host.epoch,
            max(0.0, now_s - host.heard_s),
        )

    def _learn(self, now_s: float, it: Teach) -> None:
        host = self._hosts.get(it.host)
        if host is None or it.incarnation != self.incarnation:
            return
        for boot, epoch in it.floors:
            self._raise(host, boot, epoch, self.started_s)
        if not host.taught:
            host.taught, host.deaf_until_s = True, max(now_s, self._ready_s)
            host.heard_s = host.deaf_until_s

    def _record(self, now_s: float, it: Record) -> Recorded | None:
        """Raise a VM's epoch; a witness that may have forgotten a higher one says nothing."""
        if now_s < self._ready_s:
            return None
        known = self._vms.get(it.vm, 0)
        granted = it.epoch > known and (it.vm in self._vms or len(self._vms) < VMS_KEPT)
        if granted:
            self._vms[it.vm] = it.epoch
        return Recorded(self.incarnation, it.nonce, it.vm, self._vms.get(it.vm, 0), granted)
