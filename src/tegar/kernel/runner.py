"""Threads around the saga engine: claim, run many at once, take over from dead processes.

Hundreds of sagas may wait on hosts: each has a thread of a pool while a host works, and none
while it waits for a retry.  Urgent sagas have a pool of their own, so that what brings VMs back never waits for
a thread that what users asked for holds.  The API's threads are others.
"""

from __future__ import annotations

import heapq
import threading
import uuid as uuids
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.clock import Clock
from tegar.kernel.db import Db
from tegar.kernel.engine import Engine, Probe
from tegar.kernel.errors import TegarError
from tegar.kernel.gate import Gate, Rank
from tegar.kernel.lease import BEAT_S, Lease, Leases, Sight
from tegar.kernel.saga import Saga, SagaRow, State, poke_with

E = TypeVar("E")

PREFIX = "server:"
LOOK_S = 0.5
COMPUTING = 4  # sagas that compute at once; the others wait for hosts, or for their turn


class Runner(Generic[E]):
    """Runs the sagas of one process."""

    def __init__(
        self,
        db: Db,
        env: E,
        sagas: dict[str, Saga[E, Any]],
        clock: Clock,
        *,
        threads: int = 256,
        name: str = "",
        on_stuck: Callable[[Session, SagaRow], None] | None = None,
        probe: Probe | None = None,
        on_look: Callable[[], None] | None = None,
        news: Callable[[Session], object] | None = None,
    ) -> None:
        """Get a name and a lease.

        Every half second *on_look* is called, work is looked for, and *news* is read: when it says something
        else than before, sagas that wait for a retry try again at once.
        """
        self._db, self._clock, self._what = db, clock, name
        self._on_look, self._news = on_look or (lambda: None), news
        self._heard: object = None
        self._rests = False

        def make(owner: str) -> Engine[E]:
            return Engine(db, env, sagas, owner, clock, on_stuck=on_stuck, probe=probe)

        self._make = make
        self._leases = Leases(db, clock)
        self._gate = Gate(COMPUTING)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="saga")
        self._urgent_pool = ThreadPoolExecutor(threads, thread_name_prefix="urgent")
        self._urgent = frozenset(name for name, saga in sagas.items() if saga.urgent)
        self._lock = threading.Condition()
        self._later: list[tuple[float, Rank]] = []
        self._unclaimed: set[int] = set()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True)
            for target in (self._beat_on, self._watch, self._wake)
        ]
        self._log = log.get("runner")
        self.engine: Engine[E] = self._register()

    @property
    def server_uuid(self) -> str:
        """The name of this process among the servers; a new one after it was taken for dead."""
        return self.engine.owner

    def start(self) -> None:
        """Begin to run sagas."""
        for thread in self._threads:
            thread.start()
        poke_with(self.poke)

    def stop(self) -> None:
        """Stop claiming and let the others have what is ours at once."""
        poke_with(None)
        self._stop.set()
        with self._lock:
            self._lock.notify_all()
        for pool in (self._pool, self._urgent_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self._leases.give_up(PREFIX + self.engine.owner, self.engine.owner, self._fence)

    def rest(self) -> None:
        """Take up nothing more; what is ours goes on."""
        self._rests = True

    def work(self) -> None:
        """Take up work again."""
        self._rests = False

    def beaten_s(self) -> float:
        """Return how many seconds ago our lease was last known to be ours."""
        return self._clock.mono_s() - self._beaten_s

    def poke(self, saga_id: int, name: str = "") -> None:
        """Run a saga that was just submitted here."""
        if not self._stop.is_set() and not self._rests:
            self._begin(self._claim_and_run, self._rank(saga_id, name))

    def _rank(self, saga_id: int, name: str) -> Rank:
        return (0 if name in self._urgent else 1, saga_id)

    def _begin(self, work: Callable[[Rank], None], rank: Rank) -> None:
        (self._pool if rank[0] else self._urgent_pool).submit(work, rank)

    def _register(self) -> Engine[E]:
        owner, began_s = str(uuids.uuid4()), self._clock.mono_s()
        fence = self._leases.take(PREFIX + owner, owner, self._what)
        assert fence is not None, "a fresh uuid is free"
        self._fence, self._beaten_s = fence, began_s
        return self._make(owner)

    def _beat_on(self) -> None:
        while not self._stop.wait(BEAT_S):
            began_s = self._clock.mono_s()
            try:
                if self._leases.beat(PREFIX + self.engine.owner, self.engine.owner, self._fence):
                    self._beaten_s = began_s
                else:
                    self._log.error("taken for dead; starting over under a new name", was=self.engine.owner)
                    self.engine = self._register()
            except TegarError as e:  # the database is away: go on trying
                self._log.warning("no beat", error=str(e))

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._safely(self._on_look)
            if self._rests:
                continue
            try:
                self._look()
            except TegarError as e:
                self._log.warning("cannot look for work", error=str(e))
            except Exception as e:
                self._log.error("looking for work failed", error=repr(e), exc_info=True)

    def _look(self) -> None:
        """Find what nobody runs: pending since the last look, or owned by the dead; and what need not wait longer."""
        if self._news is not None:
            self._hear(self._db.read(self._news))
        for sight in self._leases.look(PREFIX):
            if sight.holder != PREFIX + self.engine.owner:
                self._safely(lambda sight=sight: self._bury(sight))  # type: ignore[misc]
        for owner in self._db.read(_without_lease):
            self._safely(lambda owner=owner: self._inherit(owner))  # type: ignore[misc]
        waiting = select(SagaRow.id, SagaRow.name).where(SagaRow.state == State.PENDING)
        urgent_first = waiting.order_by(SagaRow.name.not_in(self._urgent), SagaRow.id).limit(200)
        pending: dict[int, str] = dict(self._db.read(lambda s: s.execute(urgent_first).all()))
        for saga_id in sorted(pending.keys() & self._unclaimed):
            self.poke(saga_id, pending[saga_id])
        self._unclaimed = set(pending)

    def _hear(self, news: object) -> None:
        with self._lock:
            before, self._heard = self._heard, news
            if news != before:
                now_s = self._clock.mono_s()
                self._later[:] = sorted((min(due_s, now_s), rank) for due_s, rank in self._later)
                self._lock.notify()

    def _bury(self, dead: Sight) -> None:
        self._inherit(dead.holder.removeprefix(PREFIX))
        self._leases.bury(dead.holder, dead)

    def _inherit(self, owner: str) -> None:
        his = select(SagaRow.id, SagaRow.name).where(SagaRow.owner == owner)
        engine = self.engine
        for saga_id, name in self._db.read(lambda s: s.execute(his).all()):
            if engine.claim(saga_id, dead_owner=owner):
                self._begin(self._run, self._rank(saga_id, name))

    def _claim_and_run(self, rank: Rank) -> None:
        if self._stop.is_set() or self._rests:
            return
        with self._gate.inside(rank):
            won = self._safely(lambda: self.engine.claim(rank[1]))
        if won:
            self._run(rank)

    def retry_stuck(self, saga_id: int) -> None:
        """Try the undos of a stuck saga once more."""
        if self._safely(lambda: self.engine.reopen(saga_id)):
            self._begin(self._run, self._rank(saga_id, ""))

    def _run(self, rank: Rank) -> None:
        if self._stop.is_set():
            return
        engine, heard = self.engine, self._heard
        with self._gate.inside(rank):
            pause_s = self._safely(lambda: engine.drive(rank[1]), otherwise=1.0)
        if pause_s is not None:
            with self._lock:
                if self._heard != heard:  # while it was driven, which may not know of it
                    pause_s = 0.0
                heapq.heappush(self._later, (self._clock.mono_s() + pause_s, rank))
                self._lock.notify()

    def _safely(self, work: Callable[[], Any], otherwise: Any = None) -> Any:
        """Do *work*; when the database is away, log it: the saga stays ours and is tried again."""
        try:
            return work()
        except TegarError as e:
            self._log.warning("saga interrupted", error=str(e))
        except Exception as e:
            self._log.error("saga interrupted", error=repr(e), exc_info=True)
        return otherwise

    def _wake(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                now_s = self._clock.mono_s()
                while self._later and self._later[0][0] <= now_s:
                    self._begin(self._run, heapq.heappop(self._later)[1])
                self._lock.wait(self._later[0][0] - now_s if self._later else 1.0)


def _without_lease(s: Session) -> list[str]:
    """Return the owners of open sagas that have no lease: they woke up after they were buried."""
    owners = select(SagaRow.owner).where(SagaRow.owner.is_not(None)).distinct()
    return [o for o in s.scalars(owners) if o and s.get(Lease, PREFIX + o) is None]
