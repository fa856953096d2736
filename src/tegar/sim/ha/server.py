"""A simulated management server: it may die, and it may not run for a while between any two things it does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tegar.guard.datagram import Answer, AnswerMany, AnyMessage, Record, Recorded
from tegar.guard.tally import Tally
from tegar.kernel.lease import BEAT_S, TTL_S
from tegar.kernel.link import DEAD_S
from tegar.sim.ha.agent import Ended, Reply, Request
from tegar.sim.ha.sagas import Sagas, Unanswered
from tegar.sim.ha.sql import Away, Fenced, SagaRow, Tables

if TYPE_CHECKING:
    from tegar.sim.ha.manager import Manager
    from tegar.sim.ha.world import World

Work = Generator[float, None, None]
TRY_S, TRIES, LOOK_S, LONGEST_LOOK_S = 0.3, 4, 0.005, 0.25


class Server:
    """Beats, leads if nobody does, owns sagas, and takes over those of the dead."""

    def __init__(self, world: World, name: str) -> None:
        """Start the process."""
        self.world, self.name, self.dead, self.held_until_s = world, name, False, 0.0
        world.starts += 1
        self.uuid = f"{name}.{world.starts}"
        self.manager: Manager | None = None
        self.clock = world.server_clocks[name]
        self.ambush: Callable[[str], None] | None = None
        self._fence = 0
        self._nonce = 0
        self._waiting: dict[int, Tally] = {}
        self._begun: dict[str, int] = {}
        self._replies: dict[int, Any] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        self._mine: set[str] = set()
        self._inbox: list[tuple[str, Any]] = []
        self.sagas: Sagas = world.parts.sagas(self)
        world.net.listen(name, self._hear)
        self.later(0.01, self._beat)

    def now_s(self) -> float:
        """Return the reading of its clock."""
        return self.clock.now_s()

    def nonce(self) -> int:
        """Return a number that grows over all its processes: the time."""
        self._nonce = max(self._nonce + 1, int(self.now_s() * 1e6))
        return self._nonce

    def suspend(self, seconds: float) -> None:
        """Stop it as SIGSTOP would."""
        self.held_until_s = max(self.held_until_s, self.world.engine.now_s + seconds)
        self.world.engine.say(f"{self.name}: suspended for {seconds:.1f} s")

    def reach(self, point: str) -> None:
        """Be at a point where tests suspend or kill it."""
        if self.ambush is not None:
            self.ambush(point)

    @property
    def held(self) -> bool:
        """Whether it does not run now."""
        return self.world.engine.now_s < self.held_until_s

    def do(self, what: Callable[..., object], *args: Any) -> None:
        """Do something now, or when it runs again; never if it is dead.  A lost database ends it."""
        if self.dead:
            return
        if self.held:
            self.world.engine.at(self.held_until_s, self.do, what, *args)
            return
        try:
            what(*args)
        except (Away, Fenced):
            self.manager = None

    def later(self, seconds: float, what: Callable[..., object], *args: Any) -> None:
        """Do it in a while."""
        self.world.engine.after(seconds, self.do, what, *args)

    # ── leading, and the sagas of the dead ────────────────────────────────────────────────────────

    def _beat(self) -> None:
        self.later(BEAT_S, self._beat)
        self.world.sql.tx(self.uuid, self._beaten)
        leads = self.world.sql.tables.leader == (self.uuid, self._fence)
        if leads and self.manager is None:
            self.manager = self.world.parts.manager(self)
        elif not leads:
            self.manager = None

    def _beaten(self, t: Tables) -> None:
        t.beats[self.uuid] = t.beats.get(self.uuid, 0) + 1
        now_s = self.now_s()
        dead = set()
        for uuid, beat in t.beats.items():
            if uuid != self.uuid:
                if self._seen.get(uuid, (-1, 0.0))[0] != beat:
                    self._seen[uuid] = (beat, now_s)
                elif now_s - self._seen[uuid][1] > TTL_S:
                    dead.add(uuid)
        holder, fence = t.leader
        forgotten = (
            holder == self.uuid and fence != self._fence
        )  # commits were lost: nobody beats for it any more
        if not holder or holder in dead or forgotten:
            self._fence = fence + 1
            t.leader = (self.uuid, self._fence)
            self.world.engine.say(f"{self.name}: leads, fence {self._fence}")
        for row in list(t.sagas.values()):
            if not row.done and (row.owner in dead or row.owner not in t.beats):
                t.sagas[row.uuid] = replace(row, owner=self.uuid, fence=row.fence + 1)
        for row in t.sagas.values():
            if not row.done and row.owner == self.uuid and row.uuid not in self._mine:
                self.begin(row)

    def lead_tx(self, work: Callable[[Tables], Any]) -> Any:
        """Run a transaction as leader.

        Raises:
            Fenced: another server leads by now.
            Away: the database does not answer.
        """

        def fenced(t: Tables) -> Any:
            if t.leader != (self.uuid, self._fence):
                raise Fenced
            return work(t)

        return self.world.sql.tx(self.uuid, fenced)

    def saga_tx(self, saga: SagaRow, work: Callable[[Tables], Any]) -> Any:
        """Run a transaction of a saga.

        Raises:
            Fenced: another server owns it by now.
            Away: the database does not answer.
        """

        def fenced(t: Tables) -> Any:
            row = t.sagas.get(saga.uuid)
            if row is None or (row.owner, row.fence, row.done) != (self.uuid, saga.fence, False):
                raise Fenced
            return work(t)

        return self.world.sql.tx(self.uuid, fenced)

    # ── work that takes time ──────────────────────────────────────────────────────────────────────

    def begin(self, saga: SagaRow) -> None:
        """Drive a saga that is ours."""
        self._mine.add(saga.uuid)
        self.later(0.001, self.spawn, self._drive(saga))

    def _drive(self, saga: SagaRow) -> Work:
        with suppress(Fenced):
            yield from self.sagas.drive(saga)
        self._mine.discard(saga.uuid)

    def spawn(self, work: Work) -> None:
        """Go on with it; between any two of its pauses the process may be suspended or die."""
        try:
            pause_s = next(work)
        except StopIteration:
            return
        self.later(pause_s, self.spawn, work)

    def record(
        self, vm: str, epoch: int, owner: str, must_hear: Collection[str] = ()
    ) -> Generator[float, None, bool]:
        """Raise a VM's epoch at a majority; see ``ha/witnesses.py``.

        Raises:
            Unanswered: no majority answered, or not all that must be heard.
        """
        names, must = list(self.world.witnesses), set(must_hear)
        tally = Tally(names, self._begun, self.now_s())
        for _ in range(TRIES):
            nonce = self.nonce()
            self._waiting[nonce] = tally
            for witness in names:
                if witness not in tally.said:
                    self.world.net.send(self.name, witness, Record(nonce, vm, epoch, owner))
            until_s = self.now_s() + TRY_S
            while self.now_s() < until_s:
                yield LOOK_S
                agreed = tally.verdict(self.now_s()) if must.issubset(tally.said) else None
                if agreed is not None:
                    for witness, known in tally.blank().items() if agreed else ():
                        self.world.net.send(self.name, witness, Record(self.nonce(), vm, epoch, owner, known))
                    return agreed
        raise Unanswered("the witnesses did not answer")

    def ask(self, host: str, question: Any, timeout_s: float = 3.0) -> Generator[float, None, Any]:
        """Ask a host's agent; return its answer.

        Raises:
            Unanswered: none came.
        """
        nonce = self.nonce()
        self.world.net.send(self.name, host, Request(nonce, question))
        until_s, reached_s, pause_s = self.now_s() + timeout_s, self.now_s(), LOOK_S
        while self.now_s() < until_s and self.now_s() < reached_s + DEAD_S:
            yield pause_s
            if nonce in self._replies:
                return self._replies.pop(nonce)
            pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
            if self.world.reaches(self.name, host):
                reached_s = self.now_s()
        raise Unanswered(f"{host} did not answer")

    # ── hearing ───────────────────────────────────────────────────────────────────────────────────

    def _hear(self, sender: str, message: Any) -> None:
        if not self.dead:
            if self.held:
                self.do(self._take, sender, message)
            else:
                self._take(sender, message)

    def _take(self, sender: str, message: AnyMessage | Reply | Ended) -> None:
        if isinstance(message, Answer | AnswerMany):
            if message.ready if isinstance(message, Answer) else any(it.ready for it in message.states):
                self._note(sender, message.incarnation)
            if self.manager is not None:
                self.do(self.manager.hear, sender, message)
        elif isinstance(message, Recorded):
            self._note(sender, message.incarnation)
            tally = self._waiting.get(message.nonce)
            if tally is not None:
                tally.take(sender, message)
        elif isinstance(message, Reply):
            self._replies[message.nonce] = message.answer
        elif isinstance(message, Ended):
            self.do(self.spawn, self.sagas.look(message.host))

    def _note(self, witness: str, incarnation: int) -> None:
        """Note that this incarnation of a witness answers, and so has waited for D."""
        if incarnation > self._begun.get(witness, 0):
            self._begun[witness] = incarnation
