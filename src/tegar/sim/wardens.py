"""The wardens of simulated hosts: the real machine, real datagrams, and a watchdog that cuts the power.

One thread with one socket serves all hosts.  It hooks into nothing: it looks at what servers told each
host (``machine.guard``) and at its power, and gives orders to the very gate that starts go through.
A pet that is late resets the host, also when it is late because this whole process stood still: to
real hosts' watchdogs that makes no difference either.
"""

from __future__ import annotations

import heapq
import select
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from tegar.agent.gate import Verb
from tegar.guard import datagram
from tegar.guard.datagram import LONGEST_BYTES, MAGIC
from tegar.guard.warden import Effect, Heard, Input, Pet, Report, Send, Warden
from tegar.model.timing import DEFAULT, FAST
from tegar.sim.things import Machine
from tegar.sim.world import World
from tegar.wire.guard import SetGuard

LOOK_S = 0.1
BATCH = 256
DUE = 32
INBOX = 200
BUFFER_BYTES = 16 * 1024 * 1024
EVERYBODY = "*"
TIMINGS = {"default": DEFAULT, "fast": FAST}
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Guarded:
    """A host in one boot, as it was told to be guarded."""

    machine: Machine
    told: SetGuard
    boot: int
    warden: Warden
    key: bytes
    addresses: dict[str, tuple[str, int]]
    inbox: list[Input] = field(default_factory=list)
    petted_s: float = -1.0  # negative: the watchdog is not armed

    @property
    def is_over(self) -> bool:
        """Whether the host lost its power, booted again, or was told otherwise."""
        it = self.machine
        otherwise = it.guard is not self.told and it.guard != self.told
        return otherwise or not it.powered or it.boot != self.boot

    @property
    def expires_s(self) -> float:
        """When the watchdog fires."""
        return self.petted_s + self.warden.timing.reset_s if self.petted_s >= 0 else float("inf")

    def is_cut_from(self, witness: str) -> bool:
        """Whether nothing passes between the two."""
        cut = self.machine.faults.cut
        return bool(cut) and (EVERYBODY in cut or witness in cut)


class Wardens:
    """All of a world's."""

    def __init__(self, world: World) -> None:
        """Open the socket; the thread begins with :meth:`start`."""
        self._world, self._clock = world, world.clock
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._door.bind(("", 0))
        self._door.setblocking(False)
        self.hosts: dict[str, Guarded] = {}  # by the name of the machine
        self._by_key: dict[str, Guarded] = {}
        self._heap: list[tuple[float, int, Guarded]] = []
        self._count, self._look_s = 0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wardens", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; all watchdogs stand still."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._door.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.turn()

    def turn(self) -> None:
        """Look, listen, let every warden step that has something to do, and wait."""
        now_s = self._clock.mono_s()
        if now_s >= self._look_s:
            self._look(now_s)
            self._look_s = now_s + LOOK_S
        for host in self._listen():
            self._step(host)
        now_s = self._clock.mono_s()
        for _ in range(DUE):  # and no more: what came meanwhile must not grow old
            if not self._heap or self._heap[0][0] > now_s:
                break
            self._step(heapq.heappop(self._heap)[2])
        next_s = min(self._look_s, self._heap[0][0] if self._heap else self._look_s)
        select.select([self._door], [], [], max(0.0, next_s - self._clock.mono_s()))

    # ── what changed in the world ─────────────────────────────────────────────────────────────────

    def _look(self, now_s: float) -> None:
        """Find hosts that are guarded since the last look, or otherwise; boot what was reset."""
        with self._world.lock:
            machines = list(self._world.machines.values())
        for machine in machines:
            if machine.boots_at_s is not None and now_s >= machine.boots_at_s:
                self._world.boot_again(machine)
            known = self.hosts.get(machine.name)
            if known is not None and not known.is_over:
                continue
            if machine.guard is not None and machine.powered:
                self._guard(machine, machine.guard, known)
            elif known is not None:
                self._forget(known)

    def _guard(self, machine: Machine, told: SetGuard, before: Guarded | None) -> None:
        """Start a warden; the timer that one before it left in the same boot goes on."""
        names = tuple(witness.name for witness in told.witnesses)
        timing = TIMINGS.get(told.timing)
        if timing is None or not names:
            return
        if before is not None:
            self._forget(before)
        host = Guarded(
            machine,
            told,
            machine.boot,
            Warden(told.host, machine.boot_id, names, timing),
            bytes.fromhex(told.key),
            {witness.name: (witness.address, witness.port) for witness in told.witnesses},
        )
        if before is not None and before.boot == host.boot:
            host.petted_s = before.petted_s
        self.hosts[machine.name] = self._by_key[f"host:{told.host}"] = host
        self._plan(host, self._clock.mono_s())

    def _forget(self, host: Guarded) -> None:
        self.hosts.pop(host.machine.name, None)
        self._by_key.pop(f"host:{host.told.host}", None)

    # ── datagrams ─────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> list[Guarded]:
        """Put what came into the hosts' inboxes; return the hosts."""
        heard: dict[int, Guarded] = {}
        with suppress(OSError):
            for _ in range(BATCH):
                data = self._door.recv(LONGEST_BYTES + 1)
                host = self._addressee(data)
                said = datagram.decode(lambda _: host.key, host.told.host, data) if host else None  # noqa: B023
                if host and said and not host.is_cut_from(said[0]) and len(host.inbox) < INBOX:
                    host.inbox.append(Heard(*said))
                    heard[id(host)] = host
        return list(heard.values())

    def _addressee(self, data: bytes) -> Guarded | None:
        """Return the host whose key a datagram claims; only the tag will show whether it may."""
        start = len(MAGIC) + 1
        if len(data) < start:
            return None
        return self._by_key.get(data[start : start + data[start - 1]].decode("ascii", "replace"))

    # ── a step ────────────────────────────────────────────────────────────────────────────────────

    def _step(self, host: Guarded) -> None:
        """Let the warden do what is to be done, unless its host is off or the warden stands still."""
        now_s = self._clock.mono_s()
        if host.is_over or self.hosts.get(host.machine.name) is not host:
            return
        if now_s >= host.expires_s:
            self._fire(host)
            return
        held_until_s = host.machine.faults.warden_held_until_s
        if now_s < held_until_s:
            self._plan(host, min(held_until_s, host.expires_s))
            return
        while True:
            inbox, host.inbox = host.inbox, []
            for effect in host.warden.step(now_s, inbox):
                self._carry_out(host, effect)
            if not host.inbox:
                break
            now_s = self._clock.mono_s()
        self._plan(host, min(host.warden.wake_s, host.expires_s))

    def _plan(self, host: Guarded, when_s: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when_s, self._count, host))

    def _carry_out(self, host: Guarded, effect: Effect) -> None:
        if isinstance(effect, Pet):
            host.petted_s = self._clock.mono_s()
        elif isinstance(effect, Send):
            if not host.is_cut_from(effect.witness):
                data = datagram.encode(host.key, host.told.host, effect.witness, effect.message)
                with suppress(OSError):
                    self._door.sendto(data, host.addresses[effect.witness])
        else:
            with self._world.lock:  # so that no order comes after the power went
                hands = host.machine.hands
                if hands is None or host.is_over:
                    return
                said = hands.order(effect.number, Verb(effect.verb.value), effect.epoch)
            host.inbox.append(Report(said.number, said.done, said.epoch))

    def _fire(self, host: Guarded) -> None:
        """The watchdog expired: everything on the host is gone at once; it boots after a while."""
        with self._world.lock:
            if not host.is_over:
                log.info("watchdog fires", host=host.machine.name)
                self._world.reset(host.machine)
        self._forget(host)
