"""Rows, transactions, and the rule that no host is asked while one is open.

A transaction is a function of a session.  It may run more than once: on deadlock, lock
timeout, a lost connection or a lost race it is rolled back and called again, so it must
keep what it does inside the session.
"""

from __future__ import annotations

import random
import threading
import uuid as uuids
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from sqlalchemy import BigInteger, Double, Engine, Enum, Integer, String, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import Stale, Unavailable
from tegar.kernel.machine import Machine
from tegar.kernel.turns import Turns

T = TypeVar("T")

IDLE_IN_TX_S = 3  # nobody waits for anything inside a transaction, unless its process is frozen

BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: String(255),
        float: Double,
        StrEnum: Enum(
            StrEnum, native_enum=False, length=32, values_callable=lambda kind: [m.value for m in kind]
        ),
    }
    __table_args__: Any = {
        "mysql_engine": "InnoDB",
        "mysql_charset": "utf8mb4",
        "mysql_collate": "utf8mb4_bin",
    }


class Row(Base):
    """A noun's row: ``version`` makes every write of it a compare-and-set; removed rows stay for history."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(BIG, primary_key=True, sort_order=-10)
    uuid: Mapped[str] = mapped_column(
        String(36), unique=True, default=lambda: str(uuids.uuid4()), sort_order=-9
    )
    version: Mapped[int] = mapped_column(default=1, sort_order=-8)
    created_s: Mapped[float] = mapped_column(sort_order=-7)
    removed_s: Mapped[float | None] = mapped_column(sort_order=-6)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        """Compare and set on ``version``."""
        return {"version_id_col": cls.version}


class TxMark(Base):
    """Proof that a transaction was committed although the news of it was lost."""

    __tablename__ = "tx_mark"
    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    created_s: Mapped[float]


_held = threading.local()


def must_not_hold_tx() -> None:
    """Refuse to go on when this thread has a transaction open.

    Raises:
        RuntimeError: a programming error: a host or device would be asked while rows are locked.
    """
    if getattr(_held, "depth", 0):
        raise RuntimeError("a host or device is asked while a transaction is open")


def fire(s: Session, row: Any, what: StrEnum) -> None:
    """Change a row's state along its machine; the only way to change one.

    Raises:
        BadTransition: the machine has no such arrow.
        StaleDataError: another transaction changed the row since it was read; the
            transaction is run again from its start.
    """
    machine: Machine[Any, Any] = row.machine
    row.state = machine.after(row.state, what)
    s.flush()


def after_commit(s: Session, hook: Callable[[], None]) -> None:
    """Call *hook* once this transaction is committed, never before, never when it is not."""
    s.info["hooks"].append(hook)


def _stamp(s: Session, *_: object) -> None:
    """Note when new rows were made; no method, for what listens for a class of sessions is never forgotten."""
    for row in s.new:
        if getattr(row, "created_s", 0) is None:
            row.created_s = s.info["clock"].now_s()


# MySQL's codes. Deadlock, lock timeout, changed since last read, wsrep not ready, killed by failover.
_AGAIN = {1213, 1205, 1020, 1047, 1158, 1159, 1160, 1161, 1927, 3101}
_LOST = {2002, 2003, 2006, 2013, 2014, 2055, 1053, 1040, 1129, 1152, 1184, 4031, 0}


def _why(error: Exception) -> str:
    """Sort an error: ``race``, ``again`` (a conflict), ``lost`` (the connection), or ``""`` (a real error)."""
    if isinstance(error, (StaleDataError, Stale)):
        return "race"
    if isinstance(error, IntegrityError):
        return "clash"
    if isinstance(error, PoolExhausted):
        return "again"
    if not isinstance(error, DBAPIError):
        return ""
    text, args = str(error.orig), getattr(error.orig, "args", ())
    number = args[0] if args and isinstance(args[0], int) else None
    if "database is locked" in text or "database table is locked" in text or number in _AGAIN:
        return "again"
    if error.connection_invalidated or number in _LOST:
        return "lost"
    return ""


_TRIES = {"race": 12, "clash": 3, "again": 40, "lost": 60}


class Db:
    """One database: embedded SQLite or MariaDB/MySQL, the same to all callers."""

    def __init__(
        self, url: str, clock: Clock | None = None, *, pool_size: int = 24, patience_s: float = 20
    ) -> None:
        """Open the database lazily; nothing is connected yet.

        Args:
            url: ``sqlite:////path/file.db`` or ``mysql+pymysql://user:secret@host/name``.
            clock: time.
            pool_size: connections kept open at most.
            patience_s: how long a transaction is repeated while the database cannot be reached.
        """
        self.clock = clock or WallClock()
        self.is_sqlite = url.startswith("sqlite")
        self._patience_s = patience_s
        self._writer = Turns()
        self.engine = _sqlite(url, pool_size) if self.is_sqlite else _mysql(url, pool_size)
        self._session = sessionmaker(
            self.engine, expire_on_commit=False, autoflush=True, info={"clock": self.clock}
        )
        event.listen(self._session, "before_flush", _stamp)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def guarded(self, check: Callable[[Session], None]) -> Iterator[None]:
        """Let each transaction that this thread begins in the block run *check* first; it may raise to forbid it.

        What the check locks stays locked until that transaction ends.
        """
        outer, _held.guard = getattr(_held, "guard", None), check
        try:
            yield
        finally:
            _held.guard = outer

    def read(self, work: Callable[[Session], T]) -> T:
        """Run *work* on one consistent view of the database; it writes nothing."""
        return self._repeat(lambda: self._once(work, writes=False, mark=None))

    def tx(self, work: Callable[[Session], T], *, once: bool = False, urgent: bool = False) -> T:
        """Run *work* in a transaction and commit it; return what it returned.

        Args:
            work: may be called several times; its session is rolled back before each repeat.
            urgent: somebody waits for the answer: goes before others that wait to write.
            once: *work* must not take effect twice even when the connection is lost while
                committing and nobody can say whether it took effect (a mark is written beside it).

        Raises:
            Stale: others changed the same rows at every attempt.
            Unavailable: the database could not be reached.
        """
        mark = _Mark() if once and not self.is_sqlite else None
        return self._repeat(lambda: self._once(work, writes=True, mark=mark, urgent=urgent))

    def _repeat(self, attempt: Callable[[], T]) -> T:
        if getattr(_held, "depth", 0):
            raise RuntimeError("a transaction is open already; pass its session on")
        began_s, all_tries = self.clock.mono_s(), Counter[str]()
        while True:
            try:
                return attempt()
            except (DBAPIError, StaleDataError, Stale, PoolExhausted) as e:
                why = _why(e)
                all_tries[why] += 1
                tries = all_tries[why]
                late = self.clock.mono_s() - began_s > self._patience_s
                if not why or tries >= _TRIES[why] or late:
                    if why == "race":
                        raise Stale() from e
                    if why in ("lost", "again"):
                        raise Unavailable("The database", "it did not answer or was too busy") from e
                    raise
            pause_s = 0.25 if why == "lost" else 0.002 * 2 ** min(tries, 6)
            self.clock.sleep(pause_s * (0.5 + random.random()))  # noqa: S311

    def _once(
        self, work: Callable[[Session], T], *, writes: bool, mark: _Mark | None, urgent: bool = False
    ) -> T:
        lock = self._writer.mine(urgent=urgent) if writes and self.is_sqlite else nullcontext()
        with lock, self._session() as s, _holding():
            s.info["hooks"] = []
            if self.is_sqlite:
                s.connection(execution_options={"tegar_writes": writes})
            if mark and mark.unsure and s.get(TxMark, mark.uuid):
                result: T = mark.result
                hooks = mark.hooks
            else:
                guard = getattr(_held, "guard", None)
                if writes and guard:
                    guard(s)
                result, hooks = work(s), s.info["hooks"]
                if writes:
                    self._commit(s, mark, result)
        for hook in hooks:
            hook()
        return result

    def _commit(self, s: Session, mark: _Mark | None, result: Any) -> None:
        if mark:
            s.execute(insert(TxMark).values(uuid=mark.uuid, created_s=self.clock.now_s()))
        s.flush()
        try:
            s.commit()
        except DBAPIError as e:
            if mark and _why(e) == "lost":
                mark.unsure, mark.result, mark.hooks = True, result, s.info["hooks"]
            raise


class _Mark:
    def __init__(self) -> None:
        self.uuid = str(uuids.uuid4())
        self.unsure = False
        self.result: Any = None
        self.hooks: list[Callable[[], None]] = []


@contextmanager
def _holding() -> Iterator[None]:
    _held.depth = getattr(_held, "depth", 0) + 1
    try:
        yield
    finally:
        _held.depth -= 1


def _sqlite(url: str, pool_size: int) -> Engine:
    """Open SQLite in WAL mode, fully synchronous: what was committed survives a power cut."""
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=40, pool_timeout=30, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=20000",
            "foreign_keys=ON",
            "cache_size=-8000",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer takes the lock at once; upgrading a read later would fail under SQLite's rules.
        writes = connection.get_execution_options().get("tegar_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _mysql(url: str, pool_size: int) -> Engine:
    """Open MariaDB or MySQL.  Read committed: writes are guarded by versions, not by gap locks.

    A process that is frozen inside a transaction would hold its locks for ever and nobody could
    take over its work: MariaDB is told to end such a transaction (MySQL cannot do that).
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=40,
        pool_timeout=30,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 3, "read_timeout": 15, "write_timeout": 15, "charset": "utf8mb4"},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        if "MariaDB" in connection.get_server_info():
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION idle_transaction_timeout = {IDLE_IN_TX_S}")

    return engine


def live(kind: type[Any]) -> Any:
    """Return the condition that a row is not removed."""
    return kind.removed_s.is_(None)


def by_uuid(s: Session, kind: type[T], uuid: str) -> T | None:
    """Return the row of that uuid, removed or not."""
    return s.scalars(select(kind).where(kind.uuid == uuid)).one_or_none()  # type: ignore[attr-defined]
