"""Everything together, and the invariants that always hold."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tegar.guard.datagram import Ack, AnyMessage, AskMany
from tegar.guard.judge import FRESH_S
from tegar.guard.warden import Warden
from tegar.guard.witness import Witness
from tegar.model.timing import Timing
from tegar.sim.ha.engine import Engine, Rate
from tegar.sim.ha.hands import Copy, Hands
from tegar.sim.ha.host import Bmc, Host
from tegar.sim.ha.manager import Manager
from tegar.sim.ha.net import Net
from tegar.sim.ha.sagas import Sagas
from tegar.sim.ha.server import Server
from tegar.sim.ha.sql import SagaRow, Sql

LEARNT_S = 1.6  # after so long a leader knows what SQL says: a second, and what is under way


@dataclass(frozen=True)
class Parts:
    """What the world is made of; tests put broken parts in to see them caught."""

    warden: type[Warden] = Warden
    witness: type[Witness] = Witness
    hands: type[Hands] = Hands
    manager: type[Manager] = Manager
    sagas: type[Sagas] = Sagas
    host: type[Host] = Host


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
    move_s: float = 1.5
    servers: int = 1
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
        now_s = self.clock.now_s()
        if isinstance(message, AskMany):
            for part in self.machine.survey(now_s, message):
                self.world.net.send(self.name, sender, part)
            return
        answer = self.machine.take(now_s, message)
        if answer is not None:
            self.world.accepted(self, answer)
            self.world.net.send(self.name, sender, answer)


class World:
    """Hosts, witnesses, a manager, a network; and what must never happen."""

    def __init__(self, seed: int, plan: Plan, *, engine: Engine | None = None) -> None:
        """Begin with everything up and no VM started."""
        self.engine = engine or Engine(seed)
        self.plan, self.parts, self.boot_s = plan, plan.parts, plan.boot_s
        self.net = Net(self.engine, wire=plan.wire)
        self.longest_dead_s = max(timing.dead_s for timing in plan.hosts)
        self.writers: dict[str, Copy] = {}
        self.wrote: Counter[str] = Counter()  # how many copies of a VM ever wrote
        self.leased_boots: dict[str, set[str]] = {}
        self.accepted_s: dict[tuple[str, str], deque[float]] = {}
        self.witnesses: dict[str, WitnessNode] = {}
        self.forgetful: list[str] = []  # the only ones that restart where the database loses commits
        rho = max(timing.rho for timing in plan.hosts)
        rng = self.engine.rng
        rates: Callable[[], float] = lambda: 1 + rng.choice((-rho, rho, rng.uniform(-rho, rho)))  # noqa: E731
        for i in range(plan.witnesses):
            self.witnesses[f"w{i + 1}"] = WitnessNode(self, f"w{i + 1}", rates())
        self.hosts = {
            f"h{i + 1}": self.parts.host(self, f"h{i + 1}", timing, bmc)
            for i, (timing, bmc) in enumerate(zip(plan.hosts, plan.bmcs, strict=True))
        }
        self.sql = Sql(self.engine, [f"vm{i + 1}" for i in range(plan.vms)])
        self.why: dict[str, str] = {}  # what sagas wait for
        self.armed_s = self.disarmed_s = -1.0
        self._stall_said: dict[str, tuple[bool, float]] = {}
        self._stalled_since_s: float | None = None
        self.starts = self._uuids = 0
        names = ["m", *(f"m{i}" for i in range(2, plan.servers + 1))][: plan.servers]
        self.server_clocks = {name: Rate(self.engine, rates(), -rng.uniform(0, 1e5)) for name in names}
        self.servers = {name: Server(self, name) for name in names}

    def new_uuid(self) -> str:
        """Return a name that nothing had before."""
        self._uuids += 1
        return f"saga{self._uuids}"

    @property
    def leader(self) -> Server | None:
        """The server that leads, as the database has it."""
        holder = self.sql.tables.leader[0]
        return next((s for s in self.servers.values() if s.uuid == holder and not s.dead), None)

    def restart_server(self, name: str) -> None:
        """Start a server anew; it knows only what is in SQL."""
        self.servers[name].dead = True
        self.servers[name] = Server(self, name)

    def migrate(self, vm: str, to: str = "") -> None:
        """A user asks for a migration of a running VM; any server that lives takes the job."""
        server = next((s for s in self.servers.values() if not s.dead), None)
        row = self.sql.tables.vms[vm]
        if server is None or row.state != "running":
            return
        saga = SagaRow("migrate", vm, self.new_uuid(), server.uuid, first=to)
        if self.sql.submit(server.uuid, vm, saga):
            self.engine.say(f"{server.name}: {vm} is to move{f' to {to}' if to else ''}")
            server.begin(saga)

    def arm(self, *, armed: bool) -> None:
        """An operator arms or disarms HA."""
        self.engine.say("an operator arms HA" if armed else "an operator disarms HA")
        self.disarmed_s = -1.0 if armed else self.engine.now_s
        self.sql.tables.armed = armed

    def reaches(self, server: str, host: str) -> bool:
        """Whether a server and a host's kernel hear each other: TCP notices when they do not."""
        cut = self.net.cut
        return self.hosts[host].powered and (server, host) not in cut and (host, server) not in cut

    def says_stalled(self, host: Host) -> bool:
        """Whether the host's latest report said that its storage hangs; it reports while it is reached."""
        now_s = self.engine.now_s
        if host.powered and not self.net.cut.intersection((("m", host.name), (host.name, "m"))):
            self._stall_said[host.name] = (host.stalled_until_s > now_s, now_s)
        said = sum(stalls for stalls, _ in self._stall_said.values())
        if 2 * said <= len(self.hosts):
            self._stalled_since_s = None
        elif self._stalled_since_s is None:
            self._stalled_since_s = now_s
        return self._stall_said.get(host.name, (False, 0.0))[0]

    # ── invariants ────────────────────────────────────────────────────────────────────────────────

    def accepted(self, witness: WitnessNode, answer: AnyMessage) -> None:
        """Note which boots a majority accepted, for the invariant on first leases."""
        if isinstance(answer, Ack):
            self.leased_boots.setdefault(answer.boot, set()).add(witness.name)
            self.accepted_s.setdefault((answer.host, witness.name), deque(maxlen=16)).append(
                self.engine.now_s
            )

    def promise_asked(self, host: str) -> None:
        """A manager asks a witness to accept no more of a host's lease."""
        self._nobody_is_fenced(f"the lease of {host} is to be ended")

    def _nobody_is_fenced(self, what: str) -> None:
        """Neither while HA is disarmed nor while most hosts say that their storage hangs."""
        now_s, late_s = self.engine.now_s, LEARNT_S + self.net.delay_s
        if 0 <= self.disarmed_s < now_s - late_s and not self._late_server():
            self.engine.violate(f"{what} though HA is disarmed")
        since_s = self._stalled_since_s
        if since_s is not None and since_s < now_s - late_s and not self._late_server():
            self.engine.violate(f"{what} though storage hangs for most hosts")

    def _late_server(self) -> bool:
        """Whether a server acts on what it knew before it was suspended or lost the database."""
        long_ago_s = self.engine.now_s - 2 * LEARNT_S
        return self.sql.away_until_s > long_ago_s or any(
            s.held_until_s > long_ago_s for s in self.servers.values()
        )

    def power_asked(self, host: Host) -> None:
        """Power may be cut only if, when the witnesses spoke, no majority had accepted the lease for W."""
        self._nobody_is_fenced(f"power of {host.name} is to be cut")
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
        # A start needs the proofs.  What paused goes on without: a database that lost commits may since have
        # noted a place that the witnesses then refused, and nothing ever ran there.
        lacking = self.sql.unproven(copy.vm, copy.vm_epoch) if not copy.ran else ""
        if lacking:
            self.engine.violate(
                f"{copy.vm} started on {copy.host.name} without a recorded proof for {lacking}"
            )
        if not copy.ran:
            if copy.as_of not in (None, self.wrote[copy.vm]):
                self.engine.violate(f"{copy.vm} goes on with memory that is older than its disks")
            self.wrote[copy.vm] += 1
        copy.writing = copy.ran = True
        self.writers[copy.vm] = copy

    def stops_writing(self, copy: Copy) -> None:
        """A copy cannot write from this instant on."""
        copy.writing = False
        if self.writers.get(copy.vm) is copy:
            del self.writers[copy.vm]

    def settled(self) -> bool:
        """Whether all run, no work is open, and nothing late is under way."""
        now_s = self.engine.now_s
        return (
            self.leader is not None
            and self.leader.manager is not None
            and len(self.writers) == len(self.sql.vms)
            and now_s > self.net.quiet_s
            and all(saga.done for saga in self.sql.tables.sagas.values())
            and all(host.settled(now_s) for host in self.hosts.values())
        )

    def expect_all_run(self) -> None:
        """Every VM runs, or somebody can name the reason; and nothing is left without an owner."""
        leader = self.leader
        if leader is None or leader.manager is None:
            self.engine.violate("nobody leads")
            return
        for vm in self.sql.vms:
            if vm not in self.writers and not leader.manager.why(vm):
                self.engine.violate(f"{vm} runs nowhere and nobody says why")
        owners = {server.uuid for server in self.servers.values() if not server.dead}
        for saga in self.sql.tables.sagas.values():
            if not saga.done and saga.owner not in owners:
                self.engine.violate(f"{saga.name} of {saga.vm} is left without an owner")

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.engine.run(self.engine.now_s + seconds)

    def run_until_settled(self, at_most_s: float, quiet_s: float = 3.0) -> None:
        """Let time pass until all has been well for a while, but not longer than that."""
        end_s, well_s = self.engine.now_s + at_most_s, 0.0
        while self.engine.now_s < end_s and well_s < quiet_s:
            self.run(0.5)
            well_s = well_s + 0.5 if self.settled() else 0.0

    def heal(self) -> None:
        """Everything works again, except what is broken for good (BMCs)."""
        self.engine.say("all is healed")
        self.net.heal()
        self.sql.away_until_s = min(self.sql.away_until_s, self.engine.now_s)
        self.sql.unheard.clear()
        if not self.sql.tables.armed:
            self.arm(armed=True)
        for witness in self.witnesses.values():
            witness.start()
        for name, server in self.servers.items():
            if server.dead:
                self.restart_server(name)
        for host in self.hosts.values():
            host.stalled_until_s = min(host.stalled_until_s, self.engine.now_s)
            if not host.powered:
                host.power_on()
