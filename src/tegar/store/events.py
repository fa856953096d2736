"""Audit events and alerts: append-only."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live


class Event(Row):
    """Something somebody did, or that happened to what they own."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_account", "account_id", "id"),
        Index("ix_event_resource", "resource_uuid"),
        Row.__table_args__,
    )

    type: Mapped[str] = mapped_column(String(60))
    level: Mapped[str] = mapped_column(String(10), default="INFO")
    state: Mapped[str] = mapped_column(String(20), default="Completed")
    description: Mapped[str] = mapped_column(String(1024))
    account_id: Mapped[int]
    user_id: Mapped[int]
    resource_type: Mapped[str | None] = mapped_column(String(40))
    resource_uuid: Mapped[str | None] = mapped_column(String(36))
    start_uuid: Mapped[str | None] = mapped_column(String(36))


class Alert(Row):
    """Something an operator should know."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_type", "type", "removed_s"), Row.__table_args__)

    type: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(1024))
    text: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(default=1)


def note(
    s: Session,
    type: str,
    description: str,
    *,
    account_id: int,
    user_id: int,
    resource_type: str = "",
    resource_uuid: str = "",
    level: str = "INFO",
    state: str = "Completed",
    start_uuid: str = "",
) -> Event:
    """Write an audit event in this transaction."""
    row = Event(
        type=type,
        description=description[:1024],
        account_id=account_id,
        user_id=user_id,
        level=level,
        state=state,
        resource_type=resource_type or None,
        resource_uuid=resource_uuid or None,
        start_uuid=start_uuid or None,
    )
    s.add(row)
    return row


def alert(s: Session, type: str, subject: str, text: str = "") -> None:
    """Write an alert in this transaction; one that stands already is counted, not repeated."""
    stands = select(Alert).where(Alert.type == type, Alert.subject == subject[:1024], live(Alert))
    known = s.scalars(stands.limit(1)).first()
    if known is not None:
        known.count += 1
        known.text = text or subject
        return
    s.add(Alert(type=type, subject=subject[:1024], text=text or subject))


def end_alert(s: Session, type: str, subject: str, now_s: float) -> None:
    """Put away an alert whose reason is gone; one that does not stand is no error."""
    stands = select(Alert).where(Alert.type == type, Alert.subject == subject[:1024], live(Alert))
    for row in s.scalars(stands):
        row.removed_s = now_s
