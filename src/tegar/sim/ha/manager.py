"""A model of the HA manager: it decides by guard's judge, and remembers only in its SQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tegar.guard import judge
from tegar.guard.datagram import Answer, AnyMessage, Ask, Record, Teach
from tegar.guard.witness import NEVER
from tegar.sim.ha.host import Start

if TYPE_CHECKING:
    from tegar.sim.ha.world import World

Lease = tuple[str, str, int]  # host, boot, epoch
TICK_S = 0.25
SUSPECT_S = 1.5
STORM_S = 10.0


@dataclass(frozen=True)
class Place:
    """Where a VM was ordered to run, under which lease and which epoch of its own."""

    lease: Lease
    vm_epoch: int


@dataclass
class Sql:
    """What survives managers.  Every place a VM ever had is kept, for the invariants."""

    vms: list[str]
    places: dict[str, list[Place]] = field(default_factory=dict)
    proofs: dict[Lease, str] = field(default_factory=dict)

    def unproven(self, vm: str, vm_epoch: int) -> str:
        """Return an older place of the VM that nothing proved dead."""
        for place in self.places.get(vm, ()):
            if place.vm_epoch < vm_epoch and place.lease not in self.proofs:
                return " ".join(map(str, place.lease))
        return ""


class Manager:
    """Look, judge, prove, place, order; once a tick."""

    suspect_s = SUSPECT_S

    def __init__(self, world: World, sql: Sql) -> None:
        """Begin knowing what SQL knows."""
        self.world, self.sql, self.dead = world, sql, False
        self.seen: dict[Lease, dict[str, judge.Seen]] = {}
        self.incarnations: dict[str, int] = {}
        self.current: dict[str, Lease] = {}
        self.alive_s: dict[str, float] = {}
        self.confirmed: set[tuple[str, int]] = set()
        self.suspects: dict[str, float] = {}
        self.stormed: set[str] = set()
        self.forcing: set[tuple[str, str]] = set()
        self._nonce = int(self.now_s() * 1e6)
        self._heard_nonce: dict[tuple[Lease, str], int] = {}
        world.net.listen("m", self._hear)
        world.engine.after(0.01, self._tick)

    def now_s(self) -> float:
        """Return the reading of the manager's clock."""
        return self.world.manager_clock.now_s()

    # ── listening ─────────────────────────────────────────────────────────────────────────────────

    def _hear(self, sender: str, message: AnyMessage) -> None:
        if self.dead or not isinstance(message, Answer):
            return
        lease = (message.host, message.boot, message.epoch)
        if message.nonce <= self._heard_nonce.get((lease, sender), 0):
            return
        self._heard_nonce[lease, sender] = message.nonce
        if message.incarnation < self.incarnations.get(sender, 0):
            return
        self.incarnations[sender] = message.incarnation
        self.seen.setdefault(lease, {})[sender] = judge.Seen(
            sender, message, self._asked_s(message.nonce), self.now_s()
        )
        if message.promised and lease in self._unproven():
            self._prove(lease, self.now_s())
            for vm in self.sql.vms:
                self._place(vm, self.now_s())
        if not message.ready:
            floors = tuple(
                (boot, min(epoch + 1, NEVER)) for host, boot, epoch in self.sql.proofs if host == message.host
            )
            self.world.net.send("m", sender, Teach(message.incarnation, message.host, floors))

    def _asked_s(self, nonce: int) -> float:
        """Nonces are times: so they grow over managers, and say when the question was put."""
        return nonce / 1e6

    def _seen(self, lease: Lease) -> list[judge.Seen]:
        return list(self.seen.get(lease, {}).values())

    # ── a tick ────────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        if self.dead:
            return
        now_s = self.now_s()
        for host in self.world.hosts:
            self._find_current(host, now_s)
        self._suspect(now_s)
        for lease in self._unproven():
            self._prove(lease, now_s)
        for vm in self.sql.vms:
            self._place(vm, now_s)
        self._ask(now_s)
        self.world.engine.after(TICK_S, self._tick)

    def _find_current(self, host: str, now_s: float) -> None:
        """The lease that a majority accepted within the last second."""
        votes: Counter[Lease] = Counter()
        newest: dict[str, judge.Seen] = {}
        for lease, by in self.seen.items():
            if lease[0] == host:
                for witness, it in by.items():
                    if witness not in newest or it.at_s > newest[witness].at_s:
                        newest[witness] = it
        for it in newest.values():
            answer = it.answer
            if answer.ready and answer.now_boot and answer.now_age_s + now_s - it.asked_s < 1.2:
                votes[host, answer.now_boot, answer.now_epoch] += 1
        for lease, count in votes.items():
            if count >= judge.majority(len(self.world.witnesses)):
                self.current[host], self.alive_s[host] = lease, now_s

    def _silent(self, lease: Lease, now_s: float, for_s: float) -> bool:
        return judge.silent(self._seen(lease), len(self.world.witnesses), now_s, for_s)

    def _suspect(self, now_s: float) -> None:
        for host in self.world.hosts:
            lease = self.current.get(host)
            if lease is None:
                continue
            if now_s - self.alive_s[host] < 0.5:
                if self.suspects.pop(host, None) is not None:
                    self.world.engine.say(f"manager: {host} is heard again")
                self.stormed.discard(host)
            elif host not in self.suspects and self._silent(lease, now_s, self.suspect_s):
                self.world.engine.say(f"manager: {host} suspect")
                self.suspects[host] = now_s
        recent = [host for host, since_s in self.suspects.items() if now_s - since_s < STORM_S]
        if judge.storm(len(recent), len(self.world.hosts)) and not self.stormed.issuperset(recent):
            self.world.engine.say(f"manager: brake, {len(recent)} hosts suspect at once")
            self.stormed.update(recent)

    def _unproven(self) -> list[Lease]:
        """Leases that VMs are placed under and no proof ended."""
        leases = {places[-1].lease for places in self.sql.places.values() if places}
        return sorted(lease for lease in leases if lease not in self.sql.proofs)

    def _prove(self, lease: Lease, now_s: float) -> None:
        if self._braked(lease):
            self._power(lease, now_s)
            return
        found = judge.lease_proof(self._seen(lease), self.incarnations, len(self.world.witnesses), now_s)
        if isinstance(found, judge.LeaseProof):
            silence = ", ".join(f"{w} {s:.2f}" for w, s in zip(found.witnesses, found.silent_s, strict=True))
            self._record(lease, f"P2 lease, silent s: {silence}")
        else:
            self._power(lease, now_s)

    def _record(self, lease: Lease, evidence: str) -> None:
        if lease not in self.sql.proofs:
            self.sql.proofs[lease] = evidence
            self.world.engine.say(f"manager: proof for {' '.join(map(str, lease[1:]))}: {evidence}")

    def _power(self, lease: Lease, now_s: float) -> None:
        """P1: force off, then read; only what was read counts."""
        host = self.world.hosts[lease[0]]
        if host.bmc == "none" or lease[:2] in self.forcing or self.current.get(host.name, lease) != lease:
            return
        if not self._silent(lease, now_s, host.timing.force_off_s):
            return
        self.forcing.add(lease[:2])
        self.world.power_asked(host)
        self.world.engine.say(f"manager: {host.name}: power off asked for")
        engine = self.world.engine
        if host.bmc == "works":
            boot = lease[1]
            engine.after(
                engine.rng.uniform(0.3, 2), lambda: host.power_off("power off") if host.boot == boot else None
            )
        engine.after(2.5, lambda: self._read_power(lease))

    def _read_power(self, lease: Lease) -> None:
        self.forcing.discard(lease[:2])
        host = self.world.hosts[lease[0]]
        if self.dead or host.bmc == "dead":
            return
        if not host.powered:
            self._record(lease, "P1 power, read Off")
            self.world.engine.after(4, host.power_on)

    # ── placing ───────────────────────────────────────────────────────────────────────────────────

    def _place(self, vm: str, now_s: float) -> None:
        places = self.sql.places.setdefault(vm, [])
        if places and places[-1].lease not in self.sql.proofs:
            if (vm, places[-1].vm_epoch) not in self.confirmed:
                self._order(vm, places[-1])
            return
        live = [
            lease
            for host, lease in sorted(self.current.items())
            if lease not in self.sql.proofs
            and not self._silent(lease, now_s, 1.0)
            and host not in self.suspects
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

    # ── asking ────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, now_s: float) -> None:
        unproven = set(self._unproven())
        known = {host: self.current.get(host, (host, "unknown", 0)) for host in self.world.hosts}
        for lease in sorted(unproven | set(known.values())):
            self._ask_all(lease, promise=False)
        for lease in sorted(unproven):
            left_s = judge.ripe_in_s(self._seen(lease), len(self.world.witnesses), now_s)
            if left_s < TICK_S:
                self.world.engine.after(left_s + 1e-4, lambda lease=lease: self._ask_promise(lease))  # type: ignore[misc]
        for lease in [lease for lease in self.seen if lease not in unproven and lease not in known.values()]:
            del self.seen[lease]

    def _ask_promise(self, lease: Lease) -> None:
        if not self.dead and not self._braked(lease):
            self._ask_all(lease, promise=True)

    def _ask_all(self, lease: Lease, *, promise: bool) -> None:
        for witness in self.world.witnesses:
            self._nonce = max(self._nonce + 1, int(self.now_s() * 1e6))
            self.world.net.send("m", witness, Ask(self._nonce, *lease, promise))

    def _braked(self, lease: Lease) -> bool:
        """Whether the lease is the current one of a host that fell silent with too many others."""
        return lease[0] in self.stormed and self.current.get(lease[0], lease) == lease

    def why(self, vm: str) -> str:
        """Return why a VM does not run, empty when nobody knows."""
        places = self.sql.places.get(vm)
        if not places:
            return ""
        host = places[-1].lease[0]
        return f"brake: many hosts were suspect with {host}" if host in self.stormed else ""
