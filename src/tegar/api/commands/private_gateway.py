"""Private gateways of VPCs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.private_gateway import STATES, PrivateGatewayView, private_gateways
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model import vlan
from tegar.ops import private_gateway as ops
from tegar.ops.ctx import Ctx
from tegar.store.acls import NetworkAclList
from tegar.store.gateways import PrivateGateway
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork


class CreatePrivateGateway(Command):
    """Give a VPC a way into a VLAN of the operator's; done when its routers have it."""

    name = "createPrivateGateway"
    roles = ADMIN
    is_async = True
    response = PrivateGatewayView
    entity = PrivateGateway
    view = staticmethod(private_gateways)

    vpc_id: Vpc = param("the VPC")
    ip_address: str = param("the routers' address there")
    gateway: str = param("the next router")
    netmask: str = param("netmask of the subnet of both")
    vlan: str = param("untagged, or a number from 1 to 4094", default=vlan.UNTAGGED)
    physical_network_id: PhysicalNetwork | None = param("its wires; the zone's for guests", default=None)
    acl_id: NetworkAclList | None = param("what goes in and out; all by default", default=None)
    source_nat_supported: bool = param("guests appear there with the routers' address", default=False)
    bypass_vlan_overlap_check: bool = param("also on a guest network's VLAN", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        wish = ops.Wish(
            ip=self.ip_address,
            gateway=self.gateway,
            netmask=self.netmask,
            vlan=self.vlan,
            source_nat=self.source_nat_supported,
            shared_vlan=self.bypass_vlan_overlap_check,
        )
        return ops.create(ctx, self.vpc_id, wish, self.acl_id, self.physical_network_id)


class DeletePrivateGateway(Command):
    """Delete a private gateway that no static route leads through."""

    name = "deletePrivateGateway"
    roles = ADMIN
    is_async = True

    id: PrivateGateway = param("the gateway")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class ListPrivateGateways(OwnedList):
    """List private gateways."""

    name = "listPrivateGateways"
    response = PrivateGatewayView
    view = staticmethod(private_gateways)

    id: PrivateGateway | None = param("the gateway", default=None)
    vpc_id: Vpc | None = param("of this VPC", default=None)
    ip_address: str | None = param("with this address", default=None)
    state: str | None = param("Creating, Ready or Deleting", default=None, choices=tuple(STATES.values()))
    vlan: str | None = param("on this VLAN", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> Page[PrivateGateway]:
        row = PrivateGateway
        by_id = self.id is not None or self.vpc_id is not None
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=by_id)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.vpc_id, self.vpc_id),
            (row.ip, self.ip_address),
            (row.vlan, vlan.normal(self.vlan) if self.vlan else None),
            (row.state, next((kept for kept, shown in STATES.items() if shown == self.state), None)),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.ip, row.gateway))
        return self.fetch(ctx, stmt)


COMMANDS = (CreatePrivateGateway, DeletePrivateGateway, ListPrivateGateways)
