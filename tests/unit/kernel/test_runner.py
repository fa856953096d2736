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
from tegar.kernel.runner import Runner
from tegar.kernel.saga import SagaRow, State
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
