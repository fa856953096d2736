"""Ranges of addresses."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Success
from tegar.api.commands.where import only
from tegar.api.views.vlan_range import VlanRangeView, vlan_ranges
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter, NoSuchEntity, Refused
from tegar.kernel.page import Page, matches
from tegar.model import vlan
from tegar.ops import access, public_range
from tegar.ops import vlan_range as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.networks import Network, VlanRange
from tegar.store.zones import PhysicalNetwork, Zone


class CreateVlanIpRange(Command):
    """Give a shared network another range of addresses, or the zone public ones."""

    name = "createVlanIpRange"
    roles = ADMIN
    response = VlanRangeView
    view = staticmethod(vlan_ranges)

    network_id: Network | None = param("the shared network", default=None)
    zone_id: Zone | None = param("the zone, of public addresses", default=None)
    physical_network_id: PhysicalNetwork | None = param("the wires of public addresses", default=None)
    for_virtual_network: bool = param("true: public addresses; without networkid", default=True)
    for_system_vms: bool = param("only false: there are no system VMs", default=False, wire="forsystemvms")
    vlan: str | None = param("untagged, or a number from 1 to 4094", default=None)
    gateway: str | None = param("gateway of the subnet", default=None)
    netmask: str | None = param("netmask of the subnet", default=None)
    start_ip: str | None = param("first address", default=None)
    end_ip: str | None = param("last address; one address without it", default=None)

    def run(self, ctx: Ctx) -> VlanRange:
        if self.for_system_vms:
            raise Refused("There are no system VMs here: leave forsystemvms out")
        start = self._need("startip", self.start_ip)
        network = self.network_id
        if network is None:
            return self._public(ctx, start)
        if self.vlan and vlan.normal(self.vlan) != network.vlan:
            raise Refused(f"Network {network.name} is on VLAN {network.vlan}; leave vlan out")
        if self.zone_id and self.zone_id.id != network.zone_id:
            raise Refused(f"Network {network.name} is not in zone {self.zone_id.name}")
        return ops.add_to_network(
            ctx, network, gateway=self.gateway, netmask=self.netmask, start=start, end=self.end_ip
        )

    def _public(self, ctx: Ctx, start: str) -> VlanRange:
        if not self.for_virtual_network:
            raise Refused("Say networkid for addresses of guests, or forvirtualnetwork=true for public ones")
        if self.zone_id is None:
            raise MissingParameter(self.name.lower(), "zoneid")
        return ops.add_public(
            ctx,
            self.zone_id,
            self.physical_network_id,
            vlan=vlan.normal(self.vlan or vlan.UNTAGGED),
            gateway=self._need("gateway", self.gateway),
            netmask=self._need("netmask", self.netmask),
            start=start,
            end=self.end_ip,
        )

    def _need(self, name: str, value: str | None) -> str:
        if not value:
            raise MissingParameter(self.name.lower(), name)
        return value


class UpdateVlanIpRange(Command):
    """Give a range of public addresses other ends; nobody may have an address that goes."""

    name = "updateVlanIpRange"
    roles = ADMIN
    response = VlanRangeView
    view = staticmethod(vlan_ranges)

    id: VlanRange = param("the range")
    start_ip: str | None = param("its first address", default=None)
    end_ip: str | None = param("its last address", default=None)

    def run(self, ctx: Ctx) -> VlanRange:
        return public_range.resize(ctx, self.id, start=self.start_ip, end=self.end_ip)


class DeleteVlanIpRange(Command):
    """Remove a range of addresses; nobody may have one of them."""

    name = "deleteVlanIpRange"
    roles = ADMIN

    id: VlanRange = param("the range")

    def run(self, ctx: Ctx) -> Success:
        public_range.delete(ctx, self.id)
        return Success()


class DedicatePublicIpRange(Command):
    """Let only one account, or only one domain, have addresses of a public range."""

    name = "dedicatePublicIpRange"
    roles = ADMIN
    response = VlanRangeView
    view = staticmethod(vlan_ranges)

    id: VlanRange = param("the range")
    domain_id: Domain = param("the domain, or the account's")
    account: str | None = param("the account", default=None)

    def run(self, ctx: Ctx) -> VlanRange:
        owner = access.owner(ctx, self.account, self.domain_id) if self.account else None
        return public_range.dedicate(ctx, self.id, self.domain_id, owner)


class ReleasePublicIpRange(Command):
    """Let everybody have addresses of a dedicated range again."""

    name = "releasePublicIpRange"
    roles = ADMIN

    id: VlanRange = param("the range")

    def run(self, ctx: Ctx) -> Success:
        public_range.release(ctx, self.id)
        return Success()


class ListVlanIpRanges(List):
    """List ranges of addresses."""

    name = "listVlanIpRanges"
    roles = ADMIN
    response = VlanRangeView
    view = staticmethod(vlan_ranges)

    id: VlanRange | None = param("the range", default=None)
    network_id: Network | None = param("of this network", default=None)
    zone_id: Zone | None = param("of this zone", default=None)
    physical_network_id: PhysicalNetwork | None = param("on these wires", default=None)
    for_virtual_network: bool | None = param("true: public ones; false: those of guests", default=None)
    vlan: str | None = param("on this VLAN", default=None)
    account: str | None = param("dedicated to this account; with domainid", default=None)
    domain_id: Domain | None = param("dedicated to this domain", default=None)
    project_id: str | None = param("there are no projects", default=None)

    def run(self, ctx: Ctx) -> Page[VlanRange]:
        if self.project_id:
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id)
        row = VlanRange
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.network_id, self.network_id),
            (row.zone_id, self.zone_id),
            (row.physical_network_id, self.physical_network_id),
            (row.for_virtual_network, self.for_virtual_network),
            (row.vlan, vlan.normal(self.vlan) if self.vlan else None),
        )
        if self.account:
            stmt = stmt.where(row.account_id == access.owner(ctx, self.account, self.domain_id).id)
        elif self.domain_id:
            stmt = stmt.where(row.domain_id == self.domain_id.id)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.start_ip, row.end_ip, row.gateway))
        return self.fetch(ctx, stmt)


COMMANDS: tuple[type[Command], ...] = (
    CreateVlanIpRange,
    ListVlanIpRanges,
    UpdateVlanIpRange,
    DeleteVlanIpRange,
    DedicatePublicIpRange,
    ReleasePublicIpRange,
)
