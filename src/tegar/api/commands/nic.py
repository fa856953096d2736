"""Interfaces of VMs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.nic import NicView, nics
from tegar.kernel.command import param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops.ctx import Ctx
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm


class ListNics(List):
    """List the interfaces of a VM."""

    name = "listNics"
    response = NicView
    view = staticmethod(nics)

    virtual_machine_id: Vm = param("the VM")
    nic_id: Nic | None = param("the interface", default=None)
    network_id: Network | None = param("in this network", default=None)
    for_display: bool | None = param("false: hidden ones; there are none", default=None)

    def run(self, ctx: Ctx) -> Page[Nic]:
        row = Nic
        stmt = select(row).where(row.vm_id == self.virtual_machine_id.id, live(row)).order_by(row.device_id)
        stmt = only(stmt, (row.id, self.nic_id), (row.network_id, self.network_id))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.mac, row.ip))
        if self.for_display is False:
            stmt = stmt.where(row.id.is_(None))
        return self.fetch(ctx, stmt)


COMMANDS = (ListNics,)
