"""What views share: names of other rows, dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import Row
from tegar.store.accounts import Domain

R = TypeVar("R", bound=Row)


def load(s: Session, kind: type[R], ids: Iterable[int | None]) -> dict[int, R]:
    """Return rows by id, in one query; removed ones too, for their names."""
    wanted = {i for i in ids if i is not None}
    if not wanted:
        return {}
    return {row.id: row for row in s.scalars(select(kind).where(kind.id.in_(wanted)))}


def date(at_s: float | None) -> str | None:
    """Return a moment as the protocol writes it: ``2026-01-01T00:00:00+0000``."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def uuid_of(rows: dict[int, R], id: int | None) -> str | None:
    """Return the uuid of a row that was loaded, None for none."""
    return rows[id].uuid if id is not None and id in rows else None


def path_of(domain: Domain) -> str:
    """Return a domain's path as the protocol shows it: ``ROOT/sales``."""
    return "ROOT" + domain.path.rstrip("/")
