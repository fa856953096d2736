"""One at a time where a rule spans rows: names, addresses and members that must be unique."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.store.zones import Zone


def alone(s: Session) -> None:
    """Make this transaction the only one that changes the layout of the cloud.

    Call it before the reads that decide.  SQLite has one writer anyway; elsewhere the zones'
    rows are the lock.
    """
    s.execute(select(Zone.id).order_by(Zone.id).with_for_update()).all()
