"""Public addresses."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, not_, or_, select

from tegar.api.commands.base import OwnedList, Success, named
from tegar.api.commands.where import only
from tegar.api.views.address import IpAddressView, addresses
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access, job
from tegar.ops import address as ops
from tegar.ops import vpc as vpcs
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Network, VlanRange
from tegar.store.offerings import NetworkOffering
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone


class _OnAddress(Command):
    """An asynchronous command whose job shows an address."""

    is_async = True
    response = IpAddressView
    entity = PublicAddress
    view = staticmethod(addresses)


class AssociateIpAddress(_OnAddress):
    """Acquire a public address: for a network, or for an account in a zone."""

    name = "associateIpAddress"

    network_id: Network | None = param("the network that it leads into", default=None)
    vpc_id: Vpc | None = param("the VPC that has it; it leads into a tier with its first rule", default=None)
    zone_id: Zone | None = param("the zone, of an address that leads somewhere later", default=None)
    ip_address: str | None = param("this address; any free one without it", default=None)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)
    is_portable: bool = param("only false: addresses are of their zone", default=False)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.is_portable:
            raise Refused("There are no portable addresses: leave isportable out")
        want = {"want_ip": self.ip_address or "", "shown": self.for_display}
        if self.network_id is not None:
            return ops.acquire(ctx, self._owner(ctx, self.network_id), self.network_id, **want)  # type: ignore[arg-type]
        if self.vpc_id is not None:
            return vpcs.acquire(ctx, self.vpc_id, want_ip=self.ip_address or "", shown=self.for_display)
        if self.zone_id is None:
            raise MissingParameter(self.name.lower(), "networkid")
        owner = access.owner(ctx, self.account, self.domain_id)
        return ops.acquire_in(ctx, owner, self.zone_id, vpc_id=None, group_id=None, **want)  # type: ignore[arg-type]

    def _owner(self, ctx: Ctx, network: Network) -> Account:
        if self.account is None and self.domain_id is None:
            return ctx.s.get_one(Account, network.account_id)
        return access.owner(ctx, self.account, self.domain_id)


class DisassociateIpAddress(Command):
    """Give a public address back; all its rules end first."""

    name = "disassociateIpAddress"
    is_async = True

    id: PublicAddress | None = param("the address", default=None)
    ip_address: str | None = param("the address, in figures", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        if (self.id is None) == (self.ip_address is None):
            raise Refused("Say id or ipaddress: which address")
        return ops.release(ctx, self.id or ops.held_by_number(ctx, self.ip_address or ""))


class UpdateIpAddress(_OnAddress):
    """Show a public address to users, or hide it."""

    name = "updateIpAddress"

    id: PublicAddress = param("the address")
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.show(ctx, self.id, shown=self.for_display))


class ReserveIpAddress(Command):
    """Keep a free public address for an account, which can acquire it by its number."""

    name = "reserveIpAddress"
    response = IpAddressView
    view = staticmethod(addresses)

    id: PublicAddress = param("the address, Free")
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> PublicAddress:
        owner = access.owner(ctx, self.account, self.domain_id)
        return ops.reserve(ctx, owner, self.id, shown=self.for_display)


class ReleaseIpAddress(Command):
    """Let a reserved public address be anybody's again."""

    name = "releaseIpAddress"

    id: PublicAddress = param("the address, Reserved")

    def run(self, ctx: Ctx) -> Success:
        ops.unreserve(ctx, self.id)
        return Success()


class ListPublicIpAddresses(OwnedList):
    """List the public addresses that accounts have acquired; allocatedonly=false shows free ones too."""

    name = "listPublicIpAddresses"
    response = IpAddressView
    view = staticmethod(addresses)

    id: PublicAddress | None = param("the address", default=None)
    ip_address: str | None = param("this address", default=None)
    state: str | None = param("in this state; Free ones are shown then too", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    physical_network_id: PhysicalNetwork | None = param("on these wires", default=None)
    vlan_id: VlanRange | None = param("of this range", default=None)
    associated_network_id: Network | None = param("that lead into this network", default=None)
    network_id: Network | None = param("as associatednetworkid", default=None)
    vpc_id: Vpc | None = param("of this VPC", default=None)
    allocated_only: bool | None = param("false: free ones too", default=None)
    for_virtual_network: bool = param("only true: addresses of shared networks are their VMs'", default=True)
    for_load_balancing: bool | None = param("whose network offers load balancing", default=None)
    for_system_vms: bool = param("only false: there are no system VMs", default=False)
    is_source_nat: bool | None = param("that networks go out by", default=None)
    is_static_nat: bool | None = param("that stand for one VM", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> Page[PublicAddress]:
        if not self.for_virtual_network:
            raise Refused("Addresses in shared networks are shown with their VMs: see listVirtualMachines")
        row = PublicAddress
        stmt = select(row).where(live(row), self._shown(ctx)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.ip, self.ip_address),
            (row.zone_id, self.zone_id),
            (row.range_id, self.vlan_id),
            (row.network_id, self.associated_network_id),
            (row.network_id, self.network_id),
            (row.vpc_id, self.vpc_id),
            (row.source_nat, self.is_source_nat),
            (row.static_nat, self.is_static_nat),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.state:
            stmt = stmt.where(row.state.in_(named(State, self.state)))
        if self.physical_network_id:
            ranges = select(VlanRange.id).where(VlanRange.physical_network_id == self.physical_network_id.id)
            stmt = stmt.where(row.range_id.in_(ranges))
        if self.for_load_balancing:
            offered = select(NetworkOffering.id).where(matches("Lb=", NetworkOffering.services))
            stmt = stmt.where(row.network_id.in_(select(Network.id).where(Network.offering_id.in_(offered))))
        if self.for_system_vms:
            stmt = stmt.where(false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.ip))
        return self.fetch(ctx, stmt)

    def _shown(self, ctx: Ctx) -> ColumnElement[bool]:
        """Return the condition on owners: free addresses have none, and are shown to who asks for them."""
        mine = self.scope(ctx, PublicAddress, by_id=self.id is not None)
        free = PublicAddress.state == State.FREE
        if self.id is not None:
            return mine
        if self.allocated_only is False or named(State, self.state or "") == [State.FREE]:
            return or_(mine, and_(free, access.visible(ctx, PublicAddress)))
        return and_(mine, not_(free))


COMMANDS: tuple[type[Command], ...] = (
    AssociateIpAddress,
    DisassociateIpAddress,
    UpdateIpAddress,
    ReserveIpAddress,
    ReleaseIpAddress,
    ListPublicIpAddresses,
)
