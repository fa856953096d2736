"""Dedicated guest VLANs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.dedicated_range import DedicatedRangeView, dedicated_ranges
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import NoSuchEntity
from tegar.kernel.page import Page
from tegar.kernel.saga import SagaRow
from tegar.model import vlan
from tegar.ops import access
from tegar.ops import dedicated_range as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.segments import DedicatedRange
from tegar.store.zones import PhysicalNetwork, Zone


class DedicateGuestVlanRange(Command):
    """Keep a range of a physical network's VLANs for one account, or one domain."""

    name = "dedicateGuestVlanRange"
    roles = ADMIN
    response = DedicatedRangeView
    view = staticmethod(dedicated_ranges)

    physical_network_id: PhysicalNetwork = param("the physical network")
    vlan_range: str = param("one of its ranges, or a part, such as 100-110")
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for this domain, or the account's", default=None)

    def run(self, ctx: Ctx) -> DedicatedRange:
        return ops.dedicate(
            ctx, self.physical_network_id, self.vlan_range, account=self.account, domain=self.domain_id
        )


class ListDedicatedGuestVlanRanges(List):
    """List dedicated ranges of guest VLANs."""

    name = "listDedicatedGuestVlanRanges"
    roles = ADMIN
    response = DedicatedRangeView
    view = staticmethod(dedicated_ranges)

    id: DedicatedRange | None = param("the range", default=None)
    physical_network_id: PhysicalNetwork | None = param("on this physical network", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    guest_vlan_range: str | None = param("exactly these, such as 100-110", default=None)
    account: str | None = param("of this account; with domainid", default=None)
    domain_id: Domain | None = param("of this domain", default=None)
    project_id: str | None = param("there are no projects", default=None)

    def run(self, ctx: Ctx) -> Page[DedicatedRange]:
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        row = DedicatedRange
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.physical_network_id, self.physical_network_id))
        if self.zone_id:
            near = select(PhysicalNetwork.id).where(PhysicalNetwork.zone_id == self.zone_id.id)
            stmt = stmt.where(row.physical_network_id.in_(near))
        if self.account:
            stmt = stmt.where(row.account_id == access.owner(ctx, self.account, self.domain_id).id)
        elif self.domain_id:
            stmt = stmt.where(row.domain_id == self.domain_id.id)
        if self.guest_vlan_range:
            text = vlan.ranges(self.guest_vlan_range, "guestvlanrange", most=vlan.HIGHEST_VXLAN)
            first, last = vlan.spans(text)[0]
            stmt = stmt.where(row.first == first, row.last == last)
        return self.fetch(ctx, stmt)


class ReleaseDedicatedGuestVlanRange(Command):
    """Let everybody's networks have the VLANs of a dedicated range again."""

    name = "releaseDedicatedGuestVlanRange"
    roles = ADMIN
    is_async = True

    id: DedicatedRange = param("the range")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.release(ctx, self.id)


COMMANDS = (DedicateGuestVlanRange, ListDedicatedGuestVlanRanges, ReleaseDedicatedGuestVlanRange)
