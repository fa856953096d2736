"""Durable work: steps with their undo, logged around every step, taken over when their owner dies.

A saga's row says who owns it and with which number (its fence).  Each log entry is written in
one transaction with a check of that number, so an owner that was taken over learns it at its
next entry and stops; each transaction of a step begins with the same check.  What it asks of
hosts carries the number too, and hosts refuse a lower one than they have heard.  So every step
is run by at most one *effective* owner, and any step may run twice: steps and undos are safe to
repeat.

    PENDING ── claim ──▶ RUNNING ──────────────▶ DONE
                            │ a step failed
                            ▼
                         UNWINDING ── all undone ─▶ FAILED
                            │ an undo cannot succeed
                            ▼
                          STUCK ── unwind again ──▶ UNWINDING

A saga that removes things only goes forward, for what was deleted cannot be undone: a step that
fails leaves it STUCK at once, and it is taken up again where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import Index, String, Text
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel import codec
from tegar.kernel.db import BIG, Base, Row, after_commit
from tegar.kernel.wire import Fence

E = TypeVar("E")
P = TypeVar("P")
R = TypeVar("R")

LONG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


class State(StrEnum):
    """Where a saga is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    UNWINDING = "UNWINDING"
    DONE = "DONE"
    FAILED = "FAILED"
    STUCK = "STUCK"


OPEN = (State.PENDING, State.RUNNING, State.UNWINDING)


class SagaRow(Row):
    """One saga, which is also the asynchronous job that the API shows."""

    __tablename__ = "saga"
    __table_args__ = (
        Index("ix_saga_state", "state", "id"),
        Index("ix_saga_owner", "owner"),
        Index("ix_saga_account", "account_id", "id"),
        Index("ix_saga_instance", "instance_uuid"),
        Row.__table_args__,
    )

    name: Mapped[str] = mapped_column(String(60))
    params: Mapped[str] = mapped_column(LONG)
    state: Mapped[State] = mapped_column(default=State.PENDING)
    owner: Mapped[str | None] = mapped_column(String(36))
    fence: Mapped[int] = mapped_column(default=0)
    ended_s: Mapped[float | None]
    code: Mapped[int] = mapped_column(default=0)
    cs_code: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)

    command: Mapped[str | None] = mapped_column(String(100))
    user_id: Mapped[int | None]
    account_id: Mapped[int | None]
    instance_type: Mapped[str | None] = mapped_column(String(40))
    instance_uuid: Mapped[str | None] = mapped_column(String(36))


class SagaLog(Base):
    """What happened, in order: ``begin``, ``done`` with the result, ``retry``, ``fail``, ``undo``, ``undone``."""

    __tablename__ = "saga_log"

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    saga_id: Mapped[int] = mapped_column(BIG, index=True)
    at_s: Mapped[float]
    fence: Mapped[int]
    step: Mapped[str] = mapped_column(String(60))
    what: Mapped[str] = mapped_column(String(10))
    text: Mapped[str | None] = mapped_column(LONG)


@dataclass(frozen=True)
class Job:
    """Whose request a saga is, and what it is about."""

    command: str
    user_id: int
    account_id: int
    instance_type: str = ""
    instance_uuid: str = ""


@dataclass
class Run(Generic[E, P]):
    """A saga under way, as its steps see it."""

    env: E
    params: P
    saga_id: int
    fence: Fence
    results: dict[str, Any] = field(default_factory=dict)

    def result(self, step: Callable[[Run[E, P]], R]) -> R:
        """Return what an earlier step returned."""
        found: R = self.results[step.__name__]
        return found

    def has(self, step: Callable[[Run[E, P]], Any]) -> bool:
        """Return whether a step has finished; undos ask."""
        return step.__name__ in self.results


@dataclass(frozen=True)
class Step(Generic[E, P]):
    """Something to do and how to undo it.

    Without an undo it must be a single transaction.  An error that says ``retry`` is repeated
    with back-off for ``patience_s`` seconds before anything is unwound; NotYet for ``long_s``.
    """

    do: Callable[[Run[E, P]], Any]
    undo: Callable[[Run[E, P]], None] | None = None
    patience_s: float = 20.0
    long_s: float = 4 * 3600.0
    nothing: bool = False  # ``do`` does nothing, only ``undo`` does: it needs no log entry of its own

    @property
    def name(self) -> str:
        """The function's name, which the log keeps."""
        return self.do.__name__


class Saga(Generic[E, P]):
    """A workflow: a name, its parameters and its steps.  Steps of a released saga are only appended."""

    def __init__(
        self, name: str, params: type[P], *steps: Step[E, P], forward_only: bool = False, urgent: bool = False
    ) -> None:
        self.name, self.params, self.steps = name, params, steps
        self.forward_only, self.urgent = forward_only, urgent
        if len({s.name for s in steps}) != len(steps):
            raise ValueError(f"saga {name}: two steps have one name")

    def submit(self, s: Session, params: P, job: Job | None = None) -> SagaRow:
        """Write the saga in the caller's transaction: it will run if and only if that commits."""
        row = SagaRow(name=self.name, params=codec.encode(params), state=State.PENDING)
        if job:
            row.command, row.user_id, row.account_id = job.command, job.user_id, job.account_id
            row.instance_type, row.instance_uuid = job.instance_type or None, job.instance_uuid or None
        s.add(row)
        s.flush()
        wake = s.info.get("runner") or _poke.get("runner")
        if wake:
            after_commit(s, lambda: wake(row.id, self.name))
        return row


_poke: dict[str, Callable[[int, str], None]] = {}


def poke_with(wake: Callable[[int, str], None] | None) -> None:
    """Name the function of this process that hears of newly submitted sagas, ids and names; others look for them."""
    if wake:
        _poke["runner"] = wake
    else:
        _poke.pop("runner", None)
