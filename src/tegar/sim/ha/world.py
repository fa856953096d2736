"""Everything together, and the invariants that always hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tegar.guard.datagram import Ack, AnyMessage
from tegar.guard.judge import FRESH_S
from tegar.guard.timing import Timing
from tegar.guard.warden import Warden
from tegar.guard.witness import Witness
from tegar.sim.ha.engine import Engine, Rate
from tegar.sim.ha.host import Bmc, Copy, Hands, Host
from tegar.sim.ha.manager import Manager, Sql
from tegar.sim.ha.net import Net


@dataclass(frozen=True)
class Parts:
    """What the world is made of; tests put broken parts in to see them caught."""

    warden: type[Warden] = Warden
    witness: type[Witness] = Witness
    hands: type[Hands] = Hands
    manager: type[Manager] = Manager


@dataclass(frozen=True)
class Plan:
    """A cluster."""

    hosts: tuple[Timing, ...]
    bmcs: tuple[Bmc, ...]
    witnesses: int = 3
    vms: int = 3
    wire: bool = False
    rates: bool = True
    start_s: float = 0.02
    boot_s: float = 6.0
    parts: Parts = field(default_factory=Parts)


class WitnessNode:
    """A machine that carries a witness."""

    def __init__(self, world: World, name: str, rate: float) -> None:
        """Begin with a cluster that is new."""
        self.world, self.name, self.up = world, name, False
        self.clock = Rate(world.engine, rate, -world.engine.rng.uniform(0, 1e5))
        self._incarnation = 0
        self.start(first=True)
        world.net.listen(name, self._hear)

    def start(self, *, first: bool = False) -> None:
        """Start the process."""
        if self.up:
            return
        self.up = True
        self._incarnation += 1
        world = self.world
        self.machine = world.parts.witness(
            self.name,
            [f"h{i + 1}" for i in range(len(world.plan.hosts))],
            now_s=self.clock.now_s(),
            incarnation=self._incarnation,
            secret=world.engine.rng.randbytes(16),
            longest_dead_s=world.longest_dead_s,
            first=first,
        )

    def crash(self) -> None:
        """Lose all memory."""
        self.up = False

    def _hear(self, sender: str, message: AnyMessage) -> None:
        if not self.up:
            return
        answer = self.machine.take(self.clock.now_s(), message)
        if answer is not None:
            self.world.accepted(self.name, answer)
            self.world.net.send(self.name, sender, answer)


class World:
    """Hosts, witnesses, a manager, a network; and what must never happen."""

    def __init__(self, seed: int, plan: Plan) -> None:
        """Begin with everything up and no VM started."""
        self.engine = Engine(seed)
        self.plan, self.parts, self.boot_s = plan, plan.parts, plan.boot_s
        self.net = Net(self.engine, wire=plan.wire)
        self.longest_dead_s = max(timing.dead_s for timing in plan.hosts)
        self.writers: dict[str, Copy] = {}
        self.leased_boots: dict[str, set[str]] = {}
        self.accepted_s: dict[tuple[str, str], deque[float]] = {}
        self.witnesses: dict[str, WitnessNode] = {}
        rho = max(timing.rho for timing in plan.hosts)
        rng = self.engine.rng
        rates: Callable[[], float] = lambda: 1 + rng.choice((-rho, rho, rng.uniform(-rho, rho)))  # noqa: E731
        for i in range(plan.witnesses):
            self.witnesses[f"w{i + 1}"] = WitnessNode(self, f"w{i + 1}", rates())
        self.hosts = {
            f"h{i + 1}": Host(self, f"h{i + 1}", timing, bmc)
            for i, (timing, bmc) in enumerate(zip(plan.hosts, plan.bmcs, strict=True))
        }
        self.sql = Sql([f"vm{i + 1}" for i in range(plan.vms)])
        self.manager_clock = Rate(self.engine, rates(), -rng.uniform(0, 1e5))
        self.manager: Manager = self.parts.manager(self, self.sql)

    def restart_manager(self) -> None:
        """A new manager that knows only what is in SQL."""
        self.manager.dead = True
        self.manager = self.parts.manager(self, self.sql)

    # ── invariants ────────────────────────────────────────────────────────────────────────────────

    def accepted(self, witness: str, answer: AnyMessage) -> None:
        """Note which boots a majority accepted, for the invariant on first leases."""
        if isinstance(answer, Ack):
            self.leased_boots.setdefault(answer.boot, set()).add(witness)
            self.accepted_s.setdefault((answer.host, witness), deque(maxlen=16)).append(self.engine.now_s)

    def power_asked(self, host: Host) -> None:
        """Power may be cut only if, when the witnesses spoke, no majority had accepted the lease for W."""
        spoke_s = self.engine.now_s - FRESH_S - 2 * self.net.delay_s
        heard = sorted(
            (max((at_s for at_s in self.accepted_s.get((host.name, w), ()) if at_s <= spoke_s), default=0.0))
            for w in self.witnesses
        )
        silent_s = self.engine.now_s - heard[-1 - self.plan.witnesses // 2]
        if silent_s * (1 + host.timing.rho) < host.timing.force_off_s:
            self.engine.violate(f"{host.name}: power is to be cut though its lease was {silent_s:.1f} s old")

    def writes(self, copy: Copy) -> None:
        """A copy can write from this instant on."""
        other = self.writers.get(copy.vm)
        if other is not None and other is not copy:
            self.engine.violate(f"two writers: {copy.vm} runs on {other.host.name} and on {copy.host.name}")
        if len(self.leased_boots.get(copy.boot, ())) < self.plan.witnesses // 2 + 1:
            self.engine.violate(f"{copy.vm} runs on {copy.host.name} before the first lease of this boot")
        lacking = self.sql.unproven(copy.vm, copy.vm_epoch)
        if lacking:
            self.engine.violate(
                f"{copy.vm} started on {copy.host.name} without a recorded proof for {lacking}"
            )
        copy.writing = True
        self.writers[copy.vm] = copy

    def stops_writing(self, copy: Copy) -> None:
        """A copy cannot write from this instant on."""
        copy.writing = False
        if self.writers.get(copy.vm) is copy:
            del self.writers[copy.vm]

    def expect_all_run(self) -> None:
        """Every VM runs, or somebody can name the reason."""
        for vm in self.sql.vms:
            if vm not in self.writers and not self.manager.why(vm):
                self.engine.violate(f"{vm} runs nowhere and nobody says why")
        self.engine.run(self.engine.now_s)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.engine.run(self.engine.now_s + seconds)

    def heal(self) -> None:
        """Everything works again, except what is broken for good (BMCs)."""
        self.engine.say("all is healed")
        self.net.heal()
        for witness in self.witnesses.values():
            witness.start()
        if self.manager.dead:
            self.manager = self.parts.manager(self, self.sql)
        for host in self.hosts.values():
            host.stalled_until_s = min(host.stalled_until_s, self.engine.now_s)
            if not host.powered:
                host.power_on()
