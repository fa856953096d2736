"""Paging, one way for every list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, or_
from sqlalchemy.orm import Session

from tegar.kernel.errors import Refused

T = TypeVar("T")

MAX_PAGE = 500  # CloudStack's default.page.size


@dataclass(frozen=True)
class Paging:
    """Which page: ``size`` rows from row ``first``; ``size`` None means all, up to no limit."""

    first: int = 0
    size: int | None = MAX_PAGE


@dataclass(frozen=True)
class Page(Generic[T]):
    """The rows of a page and how many there are in all."""

    rows: Sequence[T]
    total: int


def paging(page: int | None, pagesize: int | None) -> Paging:
    """Return the paging that two parameters ask for (protocol.md, section 7).

    Raises:
        Refused: one without the other, or out of range.
    """
    if pagesize == -1 and page is None:
        return Paging(0, None)
    if page is None and pagesize is None:
        return Paging()
    if page is None:
        raise Refused('"page" parameter is required when "pagesize" is specified')
    if pagesize is None:
        raise Refused('"pagesize" parameter is required when "page" is specified')
    if pagesize > MAX_PAGE:
        raise Refused(f"Page size can't exceed max allowed page size value: {MAX_PAGE}")
    if page < 1 or pagesize < 1:
        raise Refused("page and pagesize must be 1 or more")
    return Paging((page - 1) * pagesize, pagesize)


def fetch(s: Session, statement: Select[tuple[T]], want: Paging) -> Page[T]:
    """Return one page of a statement; counts only when the page does not tell the total by itself."""
    limited = statement.offset(want.first)
    if want.size is not None:
        limited = limited.limit(want.size)
    rows: Sequence[T] = s.scalars(limited).all()  # type: ignore[assignment]
    full = want.size is not None and len(rows) >= want.size
    if not full and (rows or want.first == 0):
        return Page(rows, want.first + len(rows))
    inner = statement.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    return Page(rows, s.scalar(inner) or 0)


def matches(text: str, *columns: Any) -> Any:
    """Return the condition that any column contains the keyword, literally."""
    safe = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return or_(*(column.ilike(f"%{safe}%", escape="\\") for column in columns))
