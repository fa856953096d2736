"""The quorum's side of leases: accept, promise, forget safely.  A pure machine, all in memory.

A witness that restarted has forgotten what it accepted *and what it promised*.  So it says nothing for
the longest D, and nothing about a host until the HA manager taught it which leases of that host were
proven dead: a host that holds quiet outlives D by hours and would find its old lease acked again.

It has forgotten epochs of VMs as well.  It grants what it is asked, and says that it is *blank*: that
counts for nothing (see ``tally``), until the manager tells it what a majority agreed to.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from tegar.guard.datagram import (
    Ack,
    Answer,
    AnswerMany,
    AnyMessage,
    Ask,
    AskMany,
    Challenge,
    Moved,
    Record,
    Recorded,
    Renew,
    State,
    Teach,
    Whole,
)
from tegar.guard.survey import answer, parcels

NEVER = 2**62  # an epoch no lease reaches: nothing of that boot is accepted
BOOTS_KEPT = 16  # a machine has one boot at a time; the sixteenth before it is long over
VMS_KEPT = 200_000
HOSTS_KEPT = 20_000


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


@dataclass(slots=True)
class _Vm:
    """The latest epoch of a VM; blank: one that was granted before the restart may be later."""

    epoch: int
    owner: str
    blank: bool


class Witness:
    """Answers every message with at most one, except :meth:`survey`.

    Hosts are learned from the first authentic datagram of them or about them.  What a restart makes
    a witness forget may concern any host, so it begins with each as with those it forgot: silent
    until the HA manager taught it, which the manager does as soon as it hears ``ready=False``.  Hosts
    are never forgotten while it runs: when its memory is full it is silent about more.
    """

    def __init__(
        self,
        name: str,
        hosts: Iterable[str] = (),
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
            hosts: those it knows from the beginning.
            now_s: its own CLOCK_BOOTTIME.
            incarnation: a number that no start of this witness had before.
            secret: random, new with every start; tokens are made with it.
            longest_dead_s: the longest D of any host: how long to be silent.  Leases with a longer D
                are refused.
            first: the cluster is new, so there is nothing to have forgotten, about any host.
        """
        self.name, self.incarnation, self.started_s = name, incarnation, now_s
        self.longest_dead_s = longest_dead_s
        self._secret, self._first, self._whole = secret, first, first
        self._ready_s = now_s if first else now_s + longest_dead_s
        self._hosts = {host: _Host(first, self._ready_s, self._ready_s) for host in hosts}
        self._vms: dict[str, _Vm] = {}

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
        if isinstance(message, Whole) and message.incarnation == self.incarnation:
            self._whole = True
        return None

    @property
    def full(self) -> bool:
        """Whether more hosts get no memory."""
        return len(self._hosts) >= HOSTS_KEPT

    def _host(self, now_s: float, name: str) -> _Host | None:
        """Return what is known of a host; of one that is new, from now on.  None: no room."""
        host = self._hosts.get(name)
        if host is None and not self.full:
            since_s = max(now_s, self._ready_s)
            host = self._hosts[name] = _Host(self._first, since_s, since_s)
        return host

    # ── wardens ───────────────────────────────────────────────────────────────────────────────────

    def _renew(self, now_s: float, it: Renew) -> AnyMessage | None:
        host = self._host(now_s, it.host)
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
        host = self._host(now_s, it.host)
        if host is None:
            return None
        state = self._state(now_s, 0, host, it.boot, it.epoch)
        if it.promise and state.ready and not state.promised and state.age_s >= state.dead_s:
            self._raise(host, it.boot, it.epoch + 1, now_s - state.age_s)
            state = self._state(now_s, 0, host, it.boot, it.epoch)
        return answer(self.incarnation, it.nonce, (it.host, it.boot, it.epoch), state)

    def survey(self, now_s: float, it: AskMany) -> list[AnswerMany]:
        """Return the answers to a question about many leases; nothing about hosts there is no room for."""
        states: list[State] = []
        for place, (name, boot, epoch) in enumerate(it.leases):
            host = self._hosts.get(name) or self._host(now_s, name)
            if host is not None:
                states.append(self._state(now_s, place, host, boot, epoch))
        return [AnswerMany(self.incarnation, it.nonce, it.salt, some) for some in parcels(states)]

    def _state(self, now_s: float, place: int, host: _Host, boot: str, epoch: int) -> State:
        """Return how a lease stands."""
        current = boot == host.boot
        floor = host.floors.get(boot)
        promised = floor is not None and epoch < floor.epoch
        heard_s = host.heard_s
        if floor is not None and promised:
            heard_s = floor.heard_s
        elif not current:
            heard_s = host.deaf_until_s
        ready = host.taught and now_s >= self._ready_s
        age_s, now_age_s = now_s - heard_s, now_s - host.heard_s
        return State(
            place,
            ready,
            ready and promised,
            age_s if age_s > 0 else 0.0,
            host.dead_s if current and host.dead_s else self.longest_dead_s,
            None if current else host.boot,
            host.epoch,
            now_age_s if now_age_s > 0 else 0.0,
            self._whole,
        )

    def _learn(self, now_s: float, it: Teach) -> None:
        host = self._host(now_s, it.host) if it.incarnation == self.incarnation else None
        if host is None:
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
        vm = self._vms.get(it.vm)
        if vm is None:
            vm = _Vm(0, "", not self._whole)
            room = len(self._vms) < VMS_KEPT
            if room:
                self._vms[it.vm] = vm
        else:
            room = True
        granted = (it.epoch, it.owner) == (vm.epoch, vm.owner) or (room and it.epoch > vm.epoch)
        if it.agreed and it.agreed == self.incarnation and (granted or it.epoch < vm.epoch):
            vm.blank = False
        if granted:
            vm.epoch, vm.owner = it.epoch, it.owner
        return Recorded(self.incarnation, it.nonce, it.vm, vm.epoch, vm.owner, granted, vm.blank)
