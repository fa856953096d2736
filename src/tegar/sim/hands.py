"""The hands and the guard of a simulated host: the real gate, and guests that pause at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tegar.agent.gate import Gate, Memory, Order, Report, Verb
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.model.lease import Permit
from tegar.model.timing import DEFAULT, FAST
from tegar.sim.things import Guest, Machine
from tegar.sim.world import World
from tegar.wire.guard import GuardFacts, SetGuard


class SimHands:
    """The Hands port, and :meth:`order` for a simulated warden."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine
        self._ordered_s = -1.0
        self._made_at_boot = 0
        self._gate = self._new_gate()

    @property
    def gate(self) -> Gate:
        """The gate of this boot; a boot forgets all orders."""
        if self._made_at_boot != self._machine.boot:
            self._gate = self._new_gate()
        return self._gate

    def _new_gate(self) -> Gate:
        self._made_at_boot, self._ordered_s = self._machine.boot, -1.0
        guarded = self._machine.guard is not None
        return Gate(Memory(self._machine.boot_id), guarded=guarded, keep=lambda _: None)

    @property
    def is_open(self) -> bool:
        """Whether guests may run now."""
        return self.gate.is_open

    @property
    def order_age_s(self) -> float:
        """How long ago the warden spoke; negative: never."""
        return self._world.clock.mono_s() - self._ordered_s if self._ordered_s >= 0 else -1.0

    def check(self, uuid: str, permit: Permit | None) -> None:
        """Raise unless a start of the VM would be admitted now."""
        self.gate.check(uuid, permit)

    def resume(self, uuid: str, permit: Permit | None) -> None:
        """Let a paused guest run."""
        with self._world.lock:
            self.gate.check(uuid, permit)
            if uuid in self._machine.arriving:
                raise Unavailable("The domain", "it is still arriving")
            guest = self._machine.guests.get(uuid)
            if guest is None:
                raise AgentRefused("The host", "a start", "the domain is not here")
            guest.admitted = True
            self._world.run(self._machine, guest)

    def may_end(self, uuid: str, vm_epoch: int | None) -> None:
        """Raise if a later epoch of the VM was let start here."""
        self.gate.may_end(uuid, vm_epoch)

    def ends(self, uuid: str, vm_epoch: int | None) -> None:
        """Let no start of this epoch through any more."""
        self.gate.ends(uuid, vm_epoch)

    def waits(self, uuid: str) -> bool:
        """Return whether a guest is here that was never let run."""
        with self._world.lock:
            guest = self._machine.guests.get(uuid)
            return guest is not None and not guest.admitted and not guest.runs

    def retry(self, uuid: str) -> None:
        """Simulated guests never stop on I/O errors."""

    @contextmanager
    def moving(self, uuid: str) -> Iterator[None]:
        """Simulated migrations ask the gate at their end."""
        yield
        self.gate.left(uuid)

    def restart(self) -> None:
        """Restart the agent: closed until the next order; guests stay as they are."""
        with self._world.lock:
            before = self.gate  # of this boot
            self._gate = self._new_gate()
            self._gate.remember(before)

    def order(self, number: int, verb: Verb, epoch: int) -> Report:
        """Carry out a warden's order; return the report that the real hands would send."""
        with self._world.lock:
            self._ordered_s = self._world.clock.mono_s()
            order = Order(number, verb, epoch)
            if self.gate.take(order):
                for guest in list(self._machine.guests.values()):
                    self._obey(verb, guest)
            return self.report()

    def report(self) -> Report:
        """Return what the warden would be told."""
        order = self.gate.order
        return Report(order.number if order else 0, order is not None, self.gate.epoch)

    def _obey(self, verb: Verb, guest: Guest) -> None:
        if verb is Verb.OPEN:
            if guest.admitted:
                self._world.run(self._machine, guest)
            return
        guest.admitted = guest.admitted or guest.runs
        self._world.pause(self._machine, guest)
        if verb is Verb.CLEAR:
            self._world.end(self._machine, guest.spec.uuid)


class SimGuard:
    """The Guard port; what was set survives boots."""

    def __init__(self, machine: Machine, hands: SimHands) -> None:
        self._machine, self._hands = machine, hands

    def set(self, ask: SetGuard) -> GuardFacts:
        """Be guarded from now on."""
        self._machine.guard = ask
        self._hands.gate.guard()
        return self.facts()

    def facts(self) -> GuardFacts:
        """Return how the host is guarded."""
        ask, gate, report = self._machine.guard, self._hands.gate, self._hands.report()
        timing = FAST if ask and ask.timing == "fast" else DEFAULT
        return GuardFacts(
            configured=ask is not None,
            boot=gate.boot,
            epoch=gate.epoch,
            verb=gate.order.verb.value if gate.order else "",
            done=report.done,
            order_age_s=self._hands.order_age_s,
            watchdog="sim",
            watchdog_s=timing.reset_s,
            dead_s=timing.dead_s,
        )
