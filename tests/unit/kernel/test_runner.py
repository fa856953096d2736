"""The threads around the engine: what waits for a retry wakes when there is news."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from little import LITTLE, SAGAS, Little, Params, notes, write
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from support.until import until
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.errors import NotYet
from tegar.kernel.gate import Gate, Rank
from tegar.kernel.runner import Runner
from tegar.kernel.saga import Run, Saga, SagaRow, State, Step
from tegar.kernel.settings import SettingRow

FAR_S = 3600.0


@contextmanager
def running(db: Db, env: Little, heard: threading.Event | None = None) -> Iterator[None]:
    """A runner whose news are the number of notes; *heard* is set when it looks again after it has read one."""
    counts = select(func.count()).select_from(SettingRow)
    read = [0]

    def news(s: Session) -> int:
        if read[0] and heard is not None:
            heard.set()
        read[0] = s.scalar(counts) or 0
        return read[0]

    runner = Runner(db, env, SAGAS, WallClock(), threads=4, news=news)
    runner.start()
    try:
        yield
    finally:
        runner.stop()


def done(db: Db, saga_id: int) -> bool:
    return db.read(lambda s: s.get_one(SagaRow, saga_id).state) == State.DONE


def test_news_wake_what_waits_for_a_retry(db: Db) -> None:
    env, tries = Little(db), list[int]()

    def order() -> None:
        tries.append(1)
        if "news" not in notes(db):
            raise NotYet("the host", FAR_S)

    env.orders["one"] = order
    with running(db, env):
        saga_id = db.tx(lambda s: LITTLE.submit(s, Params()).id)
        until(lambda: tries, "it tried once")
        write(db, "news")

        until(lambda: done(db, saga_id), "it went on")


def test_news_that_come_during_a_try_make_it_try_again_at_once(db: Db) -> None:
    env, tries, heard = Little(db), list[int](), threading.Event()

    def order() -> None:
        tries.append(1)
        if len(tries) == 1:
            write(db, "news")
            heard.wait(20)
            raise NotYet("the host", FAR_S)

    env.orders["one"] = order
    with running(db, env, heard):
        saga_id = db.tx(lambda s: LITTLE.submit(s, Params()).id)

        until(lambda: done(db, saga_id), "it went on")


def alone(run: Run[Little, Params]) -> None:
    """Need nothing of other steps."""
    write(run.env.db, "alone")


def test_what_is_urgent_waits_for_no_thread_of_what_is_not(db: Db) -> None:
    env, held = Little(db), threading.Event()
    env.orders["one"] = lambda: held.wait(20)
    urgent = Saga[Little, Params]("urgent", Params, Step(alone), urgent=True)
    runner = Runner(db, env, {**SAGAS, urgent.name: urgent}, WallClock(), threads=2)
    runner.start()
    try:
        others = [db.tx(lambda s: LITTLE.submit(s, Params()).id) for _ in range(5)]

        saga_id = db.tx(lambda s: urgent.submit(s, Params()).id)

        until(lambda: done(db, saga_id), "it is done while all threads wait for hosts")
        held.set()
        until(lambda: all(done(db, other) for other in others), "the others are done")
    finally:
        held.set()
        runner.stop()


def test_a_free_place_goes_to_the_urgent_and_then_to_the_oldest() -> None:
    gate, order, arrived = Gate(1), list[Rank](), threading.Semaphore(0)

    def compute(rank: Rank) -> None:
        arrived.release()
        with gate.inside(rank):
            order.append(rank)

    threads = [threading.Thread(target=compute, args=(rank,)) for rank in ((1, 9), (1, 3), (0, 12), (1, 5))]
    with gate.inside((1, 1)):
        for thread in threads:
            thread.start()
        for _ in threads:
            arrived.acquire()
        until(lambda: len(gate._waiting) == len(threads), "all wait")
    for thread in threads:
        thread.join()

    assert order == [(0, 12), (1, 3), (1, 5), (1, 9)]
