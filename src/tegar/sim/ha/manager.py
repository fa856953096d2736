"""The HA manager of the simulated world: the real decisions, and a model of what carries them out.

It remembers only in its SQL, which is perfect; the real one is ``ha/manager.py``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tegar.guard import datagram
from tegar.guard.datagram import Answer, AnyMessage, Record
from tegar.guard.witness import NEVER
from tegar.ha import decide
from tegar.ha.decide import Decider, Effect, Facts, HostFacts, LeaseId
from tegar.sim.ha.host import Start

if TYPE_CHECKING:
    from tegar.sim.ha.world import World

TICK_S = decide.TICK_S


@dataclass(frozen=True)
class Place:
    """Where a VM was ordered to run, under which lease and which epoch of its own."""

    lease: LeaseId
    vm_epoch: int


@dataclass
class Sql:
    """What survives managers.  Every place a VM ever had is kept, for the invariants."""

    vms: list[str]
    places: dict[str, list[Place]] = field(default_factory=dict)
    proofs: dict[LeaseId, str] = field(default_factory=dict)

    def unproven(self, vm: str, vm_epoch: int) -> str:
        """Return an older place of the VM that nothing proved dead."""
        for place in self.places.get(vm, ()):
            if place.vm_epoch < vm_epoch and place.lease not in self.proofs:
                return " ".join(map(str, place.lease))
        return ""


class Manager:
    """Look, prove, place, ask; once a tick."""

    decider: type[Decider] = Decider

    def __init__(self, world: World, sql: Sql) -> None:
        """Begin knowing what SQL knows."""
        self.world, self.sql, self.dead = world, sql, False
        self.decide = self.decider()
        self.confirmed: set[tuple[str, int]] = set()
        self._nonce = int(self.now_s() * 1e6)
        world.net.listen("m", self._hear)
        world.engine.after(0.01, self._tick)

    def now_s(self) -> float:
        """Return the reading of the manager's clock."""
        return self.world.manager_clock.now_s()

    # ── hearing, looking, asking ──────────────────────────────────────────────────────────────────

    def _hear(self, sender: str, message: AnyMessage) -> None:
        if self.dead or not isinstance(message, Answer):
            return
        asked_s = message.nonce / 1e6  # nonces are times: so they grow over managers, too
        effects = self.decide.hear(self.now_s(), sender, message, asked_s)
        self._carry_out(effects)
        if any(isinstance(effect, decide.Proven) for effect in effects):
            self._place_all()

    def _tick(self) -> None:
        if self.dead:
            return
        self._carry_out(self.decide.look(self.now_s(), self._facts()))
        self._place_all()
        self._carry_out(self.decide.questions(self.now_s(), self._facts()))
        self.world.engine.after(TICK_S, self._tick)

    def _facts(self) -> Facts:
        """Return what SQL says."""
        hosts = {
            name: HostFacts(0, bmc=host.bmc != "none", force_off_s=host.timing.force_off_s)
            for name, host in self.world.hosts.items()
        }
        floors: dict[str, list[tuple[str, int]]] = {}
        for host, boot, epoch in self.sql.proofs:
            floors.setdefault(host, []).append((boot, min(epoch + 1, NEVER)))
        return Facts(
            hosts,
            {0: tuple(self.world.witnesses)},
            self._unproven(),
            {host: tuple(known) for host, known in floors.items()},
        )

    def _unproven(self) -> frozenset[LeaseId]:
        """Leases that VMs are placed under and no proof ended."""
        leases = {places[-1].lease for places in self.sql.places.values() if places}
        return frozenset(lease for lease in leases if lease not in self.sql.proofs)

    def _carry_out(self, effects: list[Effect]) -> None:
        say, engine = self.world.engine.say, self.world.engine
        for effect in effects:
            match effect:
                case decide.Ask(witness, lease, promise):
                    self._nonce = max(self._nonce + 1, int(self.now_s() * 1e6))
                    self.world.net.send("m", witness, datagram.Ask(self._nonce, *lease, promise))
                case decide.Teach(witness, incarnation, host, floors):
                    self.world.net.send("m", witness, datagram.Teach(incarnation, host, floors))
                case decide.Later(lease, in_s):
                    engine.after(in_s + 1e-4, lambda lease=lease: self._ripe(lease))  # type: ignore[misc]
                case decide.Suspect(lease):
                    say(f"manager: {lease.host} suspect")
                case decide.HeardAgain(lease):
                    say(f"manager: {lease.host} is heard again")
                case decide.Brake(_, hosts):
                    say(f"manager: brake, {len(hosts)} hosts suspect at once")
                case decide.ForceOff(lease):
                    self._force_off(lease)
                case decide.Proven(lease, kind, evidence):
                    self._record(lease, f"{kind}, {evidence}")

    def _ripe(self, lease: LeaseId) -> None:
        if not self.dead:
            self._carry_out(self.decide.ripe(lease))

    def _record(self, lease: LeaseId, evidence: str) -> None:
        if lease not in self.sql.proofs:
            self.sql.proofs[lease] = evidence
            self.world.engine.say(f"manager: proof for {' '.join(map(str, lease[1:]))}: {evidence}")

    def _force_off(self, lease: LeaseId) -> None:
        """P1: force off, then read; only what was read counts."""
        host, engine = self.world.hosts[lease.host], self.world.engine
        self.world.power_asked(host)
        engine.say(f"manager: {host.name}: power off asked for")
        if host.bmc == "works":
            boot = lease.boot
            engine.after(
                engine.rng.uniform(0.3, 2), lambda: host.power_off("power off") if host.boot == boot else None
            )
        engine.after(2.5, lambda: self._read_power(lease))

    def _read_power(self, lease: LeaseId) -> None:
        host = self.world.hosts[lease.host]
        if self.dead:
            return
        off = host.bmc != "dead" and not host.powered
        self._carry_out(self.decide.power(lease, "read Off" if off else ""))
        if off:
            self.world.engine.after(4, host.power_on)

    # ── placing ───────────────────────────────────────────────────────────────────────────────────

    def _place_all(self) -> None:
        for vm in self.sql.vms:
            self._place(vm, self.now_s())

    def _place(self, vm: str, now_s: float) -> None:
        places = self.sql.places.setdefault(vm, [])
        if places and places[-1].lease not in self.sql.proofs:
            if (vm, places[-1].vm_epoch) not in self.confirmed:
                self._order(vm, places[-1])
            return
        live = [
            lease
            for host, lease in sorted(self.decide.current.items())
            if lease not in self.sql.proofs
            and not self.decide.silent(lease, now_s, 1.0)
            and host not in self.decide.suspects
        ]
        if not live:
            return
        load = Counter(p[-1].lease for p in self.sql.places.values() if p)
        target = min(live, key=lambda lease: (load[lease], lease))
        place = Place(target, len(places) + 1)
        places.append(place)
        for witness in self.world.witnesses:
            self._nonce += 1
            self.world.net.send("m", witness, Record(self._nonce, vm, place.vm_epoch, "m"))
        self.world.engine.after(self.world.plan.start_s, lambda: self._order(vm, place))

    def _order(self, vm: str, place: Place) -> None:
        """Ask the host's agent; the order may come late, twice or never."""
        host = self.world.hosts[place.lease[0]]
        net, engine = self.world.net, self.world.engine
        if self.dead or ("m", host.name) in net.cut or engine.rng.random() < net.loss:
            return

        def answered() -> None:
            if (host.name, "m") not in net.cut:
                self.confirmed.add((vm, place.vm_epoch))

        start = Start(vm, place.vm_epoch, place.lease[1], place.lease[2], answered)
        late_s = engine.rng.uniform(5, 20) if engine.rng.random() < net.double else 0.001

        def arrive() -> None:
            if host.powered:
                host.hands.take(start)

        engine.after(late_s, arrive)

    def why(self, vm: str) -> str:
        """Return why a VM does not run, empty when nobody knows."""
        places = self.sql.places.get(vm)
        if not places:
            return ""
        host = places[-1].lease[0]
        return f"brake: many hosts were suspect with {host}" if host in self.decide.stormed else ""
