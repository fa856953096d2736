"""A management server with everything real in it but sockets: engine, takeover, HA manager, witnesses, loops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import Session

from tegar.guard.datagram import Answer, AnyMessage
from tegar.ha.decide import LeaseId
from tegar.ha.manager import LEASE, Leading, Manager
from tegar.ha.witnesses import Address, Witnesses
from tegar.kernel import codec
from tegar.kernel.db import Db, must_not_hold_tx
from tegar.kernel.engine import Probe
from tegar.kernel.errors import TegarError, Unavailable, Unreachable
from tegar.kernel.gate import Gate
from tegar.kernel.lease import BEAT_S, Leases
from tegar.kernel.link import DEAD_S
from tegar.kernel.runner import Runner
from tegar.kernel.wire import A, Ask, Fence, Link
from tegar.loop import host_pulse, vm_power
from tegar.saga.env import Env
from tegar.saga.table import SAGAS
from tegar.sim.ha.baton import Stage, StageClock
from tegar.sim.hosts import answer
from tegar.sim.links import host_of
from tegar.store.leases import latest_proof

if TYPE_CHECKING:
    from tegar.sim.ha.cloud import Cloud

T = TypeVar("T")
PULSE_S, POWER_S, WATCH_S, IDLE_S = 3.0, 4.0, 0.5, 0.05
CONNECT_S = 2.0  # a host that cannot be reached is given up after so long
SECRET = b"s" * 32


class CloudDb(Db):
    """The database as one server reaches it."""

    away_until_s = -1.0

    def __init__(self, url: str, clock: StageClock, stage: Stage) -> None:
        """Open it."""
        super().__init__(url, clock, pool_size=2)
        self._stage = stage

    def _repeat(self, attempt: Callable[[], T]) -> T:
        if self._stage.engine.now_s < self.away_until_s:
            self._stage.sleep(0.5)
            raise Unavailable("The database", "it does not answer")
        return super()._repeat(attempt)


class CloudWitnesses(Witnesses):
    """The talk with witnesses over the simulated network."""

    def __init__(self, server: Office) -> None:
        """Belong to a server."""
        super().__init__(SECRET, server.cloud.circle, server.clock)
        self._socket.close()
        self._server = server
        self._salt = b"%08d" % server.number

    def send(self, witness: str, address: Address, message: AnyMessage) -> None:
        """Send a datagram."""
        self._server.cloud.guard.net.send(self._server.name, witness, message)

    def take(self, witness: str, message: AnyMessage) -> None:
        """Hear what a witness says."""
        self._take(witness, message)


class CloudLink:
    """A way from one server to one host."""

    def __init__(self, server: Office, host: str, fence: Fence | None) -> None:
        """Ask in the name of a saga, or of nobody."""
        self._server, self._host, self._fence = server, host, fence

    def ask(self, message: Ask[A], *, timeout_s: float = 60) -> A:
        """Ask; see ``wire.Link``.

        Raises:
            Unreachable: no answer came, which says nothing about whether the question did.
        """
        must_not_hold_tx()
        cloud, server = self._server.cloud, self._server
        host, net, rng = cloud.guard.hosts[self._host], cloud.guard.net, cloud.engine.rng
        name, body = type(message).__name__, codec.encode(message)
        work = partial(answer, cloud.world, self._host, name, body, self._fence)
        if cloud.stage.owner is None:  # in a thread that others wait for: no time may pass
            if (server.name, self._host) in net.cut or (self._host, server.name) in net.cut:
                raise Unreachable(self._host, "no route to host")
            said: Any = work()
        else:
            if not host.powered or (server.name, self._host) in net.cut:
                cloud.stage.sleep(min(timeout_s, CONNECT_S))
                raise Unreachable(self._host, "no route to host")
            lost = rng.random() < cloud.lost_answers

            def reaches() -> bool:
                return (self._host, server.name) not in net.cut

            way_s = 0.001 + rng.random() * cloud.way_s
            noted = partial(cloud.noted, self._host, message, work)
            process = cloud.process_of(self._host)
            said = cloud.stage.ask(process, noted, way_s, reaches, self._until_silent(process), timeout_s)
            if said is None or lost:  # a connection that breaks is noticed at once
                raise Unreachable(self._host, f"no answer within {timeout_s:g} s")
        found: A = codec.decode(type(message).answer, said)
        return found

    def _until_silent(self, process: Any) -> Callable[[], bool]:
        """Return whether to give up: the host's kernel has been silent for as long as TCP waits."""
        cloud, server, since_s = self._server.cloud, self._server, [-1.0]

        def silent() -> bool:
            now_s, ways = cloud.engine.now_s, {(server.name, self._host), (self._host, server.name)}
            if not process.dead and not ways & cloud.guard.net.cut:
                since_s[0] = -1.0
            elif since_s[0] < 0:
                since_s[0] = now_s
            return since_s[0] >= 0 and now_s - since_s[0] >= DEAD_S

        return silent


class CloudLinks:
    """Ways from one server to hosts."""

    def __init__(self, server: Office) -> None:
        """Begin at that server."""
        self._server = server

    def to(self, url: str, fence: Fence | None = None) -> Link:
        """Return a link to ``http://sim/<name>``."""
        return CloudLink(self._server, host_of(url), fence)


class Pool:
    """What the runner takes for its threads."""

    def __init__(self, server: Office) -> None:
        """Belong to a server."""
        self._server = server

    def submit(self, work: Callable[..., object], *args: Any) -> None:
        """Do it soon."""
        self._server.cloud.stage.begin(self._server, partial(work, *args), 0.0005)


class Office:
    """One process of ``tegar server``; the next one of the same name is another object."""

    clock: StageClock

    def __init__(self, cloud: Cloud, name: str, number: int) -> None:
        """Start it."""
        self.cloud, self.name, self.number = cloud, name, number
        self.dead, self.held_until_s = False, 0.0
        self.clock = StageClock(cloud.stage, cloud.offset_s[name])
        self.db = CloudDb(cloud.url, self.clock, cloud.stage)
        self.witnesses = CloudWitnesses(self)
        self.witnesses.on_answer = self._heard
        self.env = Env(self.db, CloudLinks(self), self.clock, quorum=self.witnesses)
        self.manager: Manager | None = None
        self.runner: Runner[Env] | None = None
        self._leading: Leading | None = None
        self._leases = Leases(self.db, self.clock)
        self._inbox: deque[Callable[[], None]] = deque()
        cloud.guard.net.listen(name, self._hear)
        cloud.stage.begin(self, self._run)

    # ── ways, as the manager sees them ────────────────────────────────────────────────────────────

    def say(self, witness: str, address: tuple[str, int], message: AnyMessage) -> None:
        """Send a datagram."""
        self.witnesses.send(witness, address, message)

    def ask(self, witness: str, address: tuple[str, int], leases: Sequence[LeaseId]) -> None:
        """Ask about many leases."""
        self.witnesses.ask(witness, address, leases)

    def nonce(self) -> int:
        """Return the next number."""
        return self.witnesses.nonce()

    def apart(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do something beside, and what comes of it in the manager's turn, if it is still the same."""
        manager = self.manager

        def do() -> None:
            after = work()
            self._inbox.append(lambda: after() if self.manager is manager else None)

        self.cloud.stage.begin(self, do)

    # ── hearing ───────────────────────────────────────────────────────────────────────────────────

    def _hear(self, sender: str, message: AnyMessage) -> None:
        if not self.dead:
            if self.cloud.engine.now_s < self.held_until_s:
                self.cloud.engine.at(self.held_until_s, self._hear, sender, message)
            else:
                self.witnesses.take(sender, message)

    def _heard(self, witness: str, answer: Answer) -> None:
        manager = self.manager
        if manager is not None:
            self._inbox.append(lambda: manager.hear(witness, answer) if self.manager is manager else None)

    # ── the process ───────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        runner = None
        while runner is None:
            try:
                runner = Runner(
                    self.db,
                    self.env,
                    SAGAS,
                    self.clock,
                    name=self.name,
                    probe=self.cloud.probe(self),
                    news=latest_proof,
                )
            except TegarError:
                self.clock.sleep(1.0)
        runner._pool = runner._urgent_pool = Pool(self)  # type: ignore[assignment]
        runner._gate = Gate(1_000_000)
        self.runner = runner
        for every_s, work in (
            (BEAT_S, self._beat),
            (WATCH_S, runner._look),
            (IDLE_S, self._wake),
            (PULSE_S, self._when_leading(host_pulse.Pulses(self.env).round)),
            (POWER_S, self._when_leading(lambda: vm_power.round(self.env))),
        ):
            self.cloud.stage.begin(self, partial(self._every, every_s, work))
        self._lead_on()

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            try:
                work()
            except TegarError as e:
                self.cloud.log(f"{self.name}: {e}")
            self.clock.sleep(seconds)

    def _beat(self) -> None:
        runner = self.runner
        assert runner is not None
        if not runner._leases.beat("server:" + runner.engine.owner, runner.engine.owner, runner._fence):
            runner.engine = runner._register()

    def _wake(self) -> None:
        runner = self.runner
        assert runner is not None
        while runner._later and runner._later[0][0] <= self.clock.mono_s():
            runner._begin(runner._run, runner._later.pop(0)[1])
            runner._later.sort()

    def _when_leading(self, work: Callable[[], None]) -> Callable[[], None]:
        return lambda: work() if self.manager is not None else None

    def _lead_on(self) -> None:
        """As ``ha/process.py`` does."""
        beat_s = -1e9
        while True:
            now_s = self.clock.mono_s()
            try:
                if now_s - beat_s >= BEAT_S:
                    beat_s = now_s
                    self._lead()
                if self.manager is not None:
                    self.manager.turn()
                while self._inbox:
                    self._inbox.popleft()()
            except TegarError as e:
                self.cloud.log(f"{self.name}: the round failed: {e}")
                self.manager = None
                self.clock.sleep(0.1)
            self.clock.sleep(IDLE_S)

    def _lead(self) -> None:
        mine = self._leading
        if mine is not None and not self._leases.beat(LEASE, mine.holder, mine.fence):
            self._leading = self.manager = None
        if self._leading is None and self.runner is not None:
            holder = self.runner.server_uuid
            fence = self._leases.take(LEASE, holder, "high availability")
            if fence is not None:
                self.cloud.log(f"{self.name}: leads, fence {fence}")
                self._leading = Leading(holder, fence)
        if self._leading is not None and self.manager is None:
            self.manager = Manager(self.env, self, self._leading, self.cloud.power)

    def do(self, work: Callable[[Session], object]) -> None:
        """A user's request, in one transaction; refused or not, it is over."""

        def request() -> None:
            try:
                self.db.tx(work)
            except TegarError as e:
                self.cloud.log(f"{self.name}: refused: {e}")

        self.cloud.stage.begin(self, request)


__all__ = ["CloudDb", "Mapping", "Office", "Probe"]
