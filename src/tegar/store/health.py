"""Checks of what failovers stand on: asked for, and what they found."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row

KEPT = 30


class HealthCheck(Row):
    """One check, from when it is asked for; ``ended_s`` None: it is not over.

    ``findings`` is JSON: a list of what was looked at, each with ``subject``, ``what``, ``shown`` and ``why``,
    which is empty when it is good.  ``bad`` counts the others.
    """

    __tablename__ = "health_check"

    ended_s: Mapped[float | None]
    total: Mapped[int] = mapped_column(default=0)
    bad: Mapped[int] = mapped_column(default=0)
    findings: Mapped[str] = mapped_column(Text, default="[]")


def asked(s: Session) -> HealthCheck | None:
    """Return the oldest check that is asked for and not over."""
    stmt = select(HealthCheck).where(HealthCheck.ended_s.is_(None)).order_by(HealthCheck.id)
    return s.scalars(stmt.limit(1)).first()


def latest(s: Session) -> HealthCheck | None:
    """Return the last check that ended."""
    stmt = select(HealthCheck).where(HealthCheck.ended_s.is_not(None)).order_by(HealthCheck.id.desc())
    return s.scalars(stmt.limit(1)).first()


def forget_old(s: Session) -> None:
    """Delete all but the latest."""
    ids: Sequence[int] = s.scalars(select(HealthCheck.id).order_by(HealthCheck.id.desc()).limit(KEPT)).all()
    if len(ids) == KEPT:
        s.execute(delete(HealthCheck).where(HealthCheck.id < min(ids)))
