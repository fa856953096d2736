"""Disk offerings."""

from __future__ import annotations

from sqlalchemy import false, select

from tegar.api.commands.offered import OfferedList
from tegar.api.views.disk_offering import DiskOfferingView, disk_offerings
from tegar.kernel.command import param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.offerings import DiskOffering


class ListDiskOfferings(OfferedList):
    """List disk offerings; every domain and zone has them all."""

    name = "listDiskOfferings"
    response = DiskOfferingView
    view = staticmethod(disk_offerings)

    id: DiskOffering | None = param("the offering", default=None)
    encrypt: bool = param("those with encrypted disks, of which there are none", default=False)

    def run(self, ctx: Ctx) -> Page[DiskOffering]:
        self.audience(ctx)
        o = DiskOffering
        stmt = select(o).where(live(o), access.visible(ctx, o)).order_by(o.id)
        if self.encrypt or (self.state or "Active") != "Active":
            stmt = stmt.where(false())
        if self.id:
            stmt = stmt.where(o.id == self.id.id)
        if self.name_:
            stmt = stmt.where(o.name == self.name_)
        if self.storage_type:
            stmt = stmt.where(o.storage_type == self.storage_type.lower())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, o.name, o.display_text))
        return self.fetch(ctx, stmt)


COMMANDS = (ListDiskOfferings,)
