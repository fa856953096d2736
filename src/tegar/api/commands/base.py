"""What lists share: paging, keyword and ownership, one way for all; and the shapes of answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from sqlalchemy import ColumnElement, Select

from tegar.kernel.command import Command, param
from tegar.kernel.errors import NoSuchEntity
from tegar.kernel.page import Page, fetch, paging
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Success:
    """It is done; nothing to show."""

    text: str = ""


@dataclass(frozen=True)
class Plain:
    """An answer that is sent as it is, without an envelope of its own."""

    body: dict[str, Any]


class List(Command):
    """A list: ``page`` and ``pagesize`` together, ``keyword`` for part of a name."""

    writes: ClassVar[bool] = False

    keyword: str | None = param("only those whose name contains this", default=None)
    page: int | None = param("which page, from 1", default=None)
    pagesize: int | None = param("rows on a page, at most 500", default=None)

    def fetch(self, ctx: Ctx, statement: Select[Any]) -> Page[Any]:
        """Return the page that was asked for."""
        return fetch(ctx.s, statement, paging(self.page, self.pagesize))


class OwnedList(List):
    """A list of what accounts own."""

    account: str | None = param("of this account; with domainid", default=None)
    domain_id: Domain | None = param("of this domain", default=None)
    is_recursive: bool = param("of its subdomains too", default=False, wire="isrecursive")
    list_all: bool = param("everything the caller may see", default=False, wire="listall")
    project_id: str | None = param("of this project; -1 for all", default=None)

    def scope(self, ctx: Ctx, kind: Any, *, by_id: bool = False) -> ColumnElement[bool]:
        """Return the condition on owners."""
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        return access.scope(
            ctx,
            kind,
            account=self.account,
            domain=self.domain_id,
            listall=self.list_all,
            recursive=self.is_recursive,
            by_id=by_id,
        )


def named(kind: type[S], text: str) -> list[S]:
    """Return the state of that name, whatever its case; none when there is no such state."""
    return [state for state in kind if state.value.lower() == text.lower()]
