"""Guest operating systems."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.os_type import OsTypeView, category_uuid, os_types
from tegar.kernel.command import param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.images import OsType


class ListOsTypes(List):
    """List guest operating systems."""

    name = "listOsTypes"
    response = OsTypeView
    view = staticmethod(os_types)

    id: OsType | None = param("the operating system", default=None)
    ids: list[OsType] | None = param("these operating systems", default=None)
    description: str | None = param("its exact name", default=None)
    os_category_id: str | None = param("of this category", default=None)
    for_display: bool = param("true: all are shown to everybody", default=True)

    def run(self, ctx: Ctx) -> Page[OsType]:
        row = OsType
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.description, self.description))
        if self.ids:
            stmt = stmt.where(row.id.in_([r.id for r in self.ids]))
        if self.os_category_id:
            names = [c for c in set(ctx.s.scalars(select(row.category))) if self._is(c)]
            stmt = stmt.where(row.category.in_(names))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.description))
        return self.fetch(ctx, stmt) if self.for_display else Page([], 0)

    def _is(self, category: str) -> bool:
        return category_uuid(category) == self.os_category_id


COMMANDS = (ListOsTypes,)
