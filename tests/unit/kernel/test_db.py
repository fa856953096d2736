"""Transactions: repeated on conflict, once when it matters, never with a host asked inside."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from support.mariadb import MariaDb
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db, after_commit, must_not_hold_tx
from tegar.kernel.errors import Stale, Unavailable
from tegar.kernel.settings import SettingRow


def put(db: Db, name: str, value: str = "0") -> int:
    """Make a row; return its id."""

    def work(s: Session) -> int:
        row = SettingRow(name=name, value=value)
        s.add(row)
        s.flush()
        return row.id

    return db.tx(work)


def value(db: Db, name: str) -> str:
    """Return a row's value."""
    return db.read(lambda s: s.scalars(select(SettingRow.value).where(SettingRow.name == name)).one())


def together(*works: Callable[[], object]) -> list[Exception]:
    """Run functions at the same time; return what they raised."""
    raised: list[Exception] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as e:
            raised.append(e)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_what_raises_leaves_nothing(db: Db) -> None:
    def work(s: Session) -> None:
        s.add(SettingRow(name="x", value="1"))
        s.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.tx(work)

    assert db.read(lambda s: s.query(SettingRow).count()) == 0


def test_no_host_is_asked_while_a_transaction_is_open(db: Db) -> None:
    with pytest.raises(RuntimeError, match="transaction is open"):
        db.tx(lambda s: must_not_hold_tx())
    with pytest.raises(RuntimeError, match="transaction is open"):
        db.read(lambda s: must_not_hold_tx())
    must_not_hold_tx()


def test_transactions_do_not_nest(db: Db) -> None:
    with pytest.raises(RuntimeError, match="open already"):
        db.tx(lambda s: db.tx(lambda t: None))


def test_hooks_run_after_the_commit_and_only_then(db: Db) -> None:
    seen: list[str] = []

    def work(s: Session) -> None:
        s.add(SettingRow(name="x", value="1"))
        after_commit(s, lambda: seen.append(value(db, "x")))

    db.tx(work)

    assert seen == ["1"]


def test_two_that_change_one_row_at_once_both_get_their_turn(db: Db) -> None:
    put(db, "n")
    start, tries = threading.Barrier(2), []

    def add_one(s: Session) -> None:
        row = s.scalars(select(SettingRow).where(SettingRow.name == "n")).one()
        tries.append(row.value)
        if len(tries) <= 2 and not db.is_sqlite:
            start.wait(timeout=5)
        row.value = str(int(row.value) + 1)

    assert together(lambda: db.tx(add_one), lambda: db.tx(add_one)) == []

    assert value(db, "n") == "2"
    assert len(tries) == (2 if db.is_sqlite else 3)


def test_a_row_that_others_change_at_every_try_ends_as_stale(db_url: str) -> None:
    if db_url.startswith("sqlite"):
        pytest.skip(
            "SQLite has one writer at a time: nobody can change a row between a writer's read and write"
        )
    db = Db(db_url, ManualClock())
    other = Db(db_url)
    put(db, "n")

    def lose(s: Session) -> None:
        row = s.scalars(select(SettingRow).where(SettingRow.name == "n")).one()
        bump = update(SettingRow).where(SettingRow.name == "n").values(version=SettingRow.version + 1)
        together(lambda: other.tx(lambda t: t.execute(bump)))
        row.value = "mine"

    with pytest.raises(Stale):
        db.tx(lose)
    assert value(db, "n") == "0"
    db.close()
    other.close()


@pytest.fixture
def server_db(mariadb: MariaDb) -> Db:
    """A database on the server, made as others are."""
    from support.databases import create

    _, url = mariadb.new()
    create(url)
    return Db(url)


@pytest.mark.mariadb
def test_a_real_deadlock_is_repeated_until_both_succeed(server_db: Db) -> None:
    put(server_db, "a")
    put(server_db, "b")
    first_locked, tries = threading.Barrier(2), []

    def lock(first: str, second: str) -> Callable[[Session], None]:
        def work(s: Session) -> None:
            tries.append(first)
            bump = update(SettingRow).values(value=SettingRow.value + "x")
            s.execute(bump.where(SettingRow.name == first).execution_options(synchronize_session=False))
            if len(tries) <= 2:
                first_locked.wait(timeout=5)
            s.execute(bump.where(SettingRow.name == second).execution_options(synchronize_session=False))

        return work

    raised = together(
        lambda: server_db.tx(lock("a", "b")),
        lambda: server_db.tx(lock("b", "a")),
    )

    assert raised == []
    assert (value(server_db, "a"), value(server_db, "b")) == ("0xx", "0xx")
    assert len(tries) == 3
    server_db.close()


@pytest.mark.mariadb
def test_a_connection_that_was_killed_is_replaced_and_the_work_repeated(
    server_db: Db, mariadb: MariaDb
) -> None:
    tries: list[int] = []

    def work(s: Session) -> None:
        tries.append(s.scalar(text("SELECT CONNECTION_ID()")) or 0)
        if len(tries) == 1:
            mariadb.run(f"KILL {tries[0]}")
        s.add(SettingRow(name="x", value="1"))
        s.flush()

    server_db.tx(work)

    assert len(tries) == 2
    assert tries[0] != tries[1]
    assert value(server_db, "x") == "1"
    server_db.close()


@pytest.mark.mariadb
@pytest.mark.parametrize("arrives", [True, False], ids=["it took effect", "it did not"])
def test_a_connection_lost_while_committing_takes_effect_exactly_once(
    server_db: Db, mariadb: MariaDb, arrives: bool
) -> None:
    put(server_db, "n", "")
    hooks: list[str] = []
    lost: list[bool] = []

    @event.listens_for(server_db.engine, "commit")
    def lose(connection: object) -> None:
        raw = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        if not lost:
            lost.append(True)
            if arrives:
                raw.commit()
            mariadb.run(f"KILL {raw.thread_id()}")

    def work(s: Session) -> str:
        s.execute(
            update(SettingRow).where(SettingRow.name == "n").values(value=SettingRow.value + "x")
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        after_commit(s, lambda: hooks.append("told"))
        return "done"

    assert server_db.tx(work, once=True) == "done"

    assert value(server_db, "n") == "x"
    assert hooks == ["told"]
    server_db.close()


@pytest.mark.mariadb
def test_a_frozen_transaction_does_not_keep_its_locks(server_db: Db) -> None:
    row_id = put(server_db, "n")
    frozen, thawed = threading.Event(), threading.Event()
    other = Db(str(server_db.engine.url.render_as_string(hide_password=False)))
    tries: list[int] = []

    def freeze(s: Session) -> None:
        tries.append(1)
        s.execute(update(SettingRow).where(SettingRow.id == row_id).values(value="frozen"))
        if len(tries) == 1:
            frozen.set()
            thawed.wait(timeout=20)

    def take() -> None:
        frozen.wait(timeout=5)
        other.tx(lambda s: s.execute(update(SettingRow).where(SettingRow.id == row_id).values(value="taken")))
        assert value(other, "n") == "taken"
        thawed.set()

    assert together(lambda: server_db.tx(freeze), take) == []

    assert len(tries) == 2
    server_db.close()
    other.close()


def test_a_database_that_is_away_is_said_to_be() -> None:
    db = Db("mysql+pymysql://nobody@127.0.0.1:1/none", ManualClock(), patience_s=2)

    with pytest.raises(Unavailable):
        db.read(lambda s: s.scalar(text("SELECT 1")))
    db.close()


def test_too_few_connections_are_a_reason_to_ask_again_later(db_url: str) -> None:
    db = Db(db_url, ManualClock(), pool_size=1, patience_s=1)
    pool = db.engine.pool
    pool._timeout, pool._max_overflow = 0.01, 0  # type: ignore[attr-defined]

    with db.engine.connect(), pytest.raises(Unavailable):
        db.read(lambda s: s.scalar(text("SELECT 1")))
    db.close()


def test_a_database_that_nobody_holds_is_forgotten(db_url: str) -> None:
    db = Db(db_url)
    put(db, "x")
    db.close()
    held = weakref.ref(db)

    del db
    gc.collect()
    assert held() is None
