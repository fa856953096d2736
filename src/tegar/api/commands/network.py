"""Guest networks."""

from __future__ import annotations

from sqlalchemy import false, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.network import NetworkView, networks
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter, NoSuchEntity, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model import vlan
from tegar.model.network import JOINABLE
from tegar.ops import network as ops
from tegar.ops import network_create as making
from tegar.ops import network_update as changing
from tegar.ops import vpc_tier
from tegar.ops.ctx import Ctx
from tegar.ops.network_create import NetworkWish
from tegar.ops.network_update import NetworkChange
from tegar.ops.zone import ip
from tegar.store.accounts import Domain
from tegar.store.acls import NetworkAclList
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone

ACL_TYPES = ("Domain", "Account")


class CreateNetwork(Command):
    """Create a network: isolated or L2 for oneself, shared (a VLAN and addresses that an operator gives) for others."""

    name = "createNetwork"
    response = NetworkView
    entity = Network
    view = staticmethod(networks)

    name_: str = param("its name", wire="name")
    display_text: str | None = param("what it is for; the name by default", default=None, max_length=1024)
    network_offering_id: NetworkOffering = param("its offering")
    zone_id: Zone = param("the zone")
    physical_network_id: PhysicalNetwork | None = param("its wires; the zone's for guests", default=None)
    vlan: str | None = param("untagged, or a number; of offerings where one is chosen", default=None)
    gateway: str | None = param("gateway of its subnet; the zone's guest CIDR by default", default=None)
    netmask: str | None = param("netmask of its subnet", default=None)
    start_ip: str | None = param("first address of guests", default=None)
    end_ip: str | None = param("last address of guests; one address without it", default=None)
    network_domain: str | None = param("DNS domain of its guests", default=None)
    dns1: str | None = param("first name server; the zone's by default", default=None)
    dns2: str | None = param("second name server", default=None)
    acl_type: str | None = param("Domain or Account: who may use it", default=None, choices=ACL_TYPES)
    subdomain_access: bool = param("whether subdomains may use it too", default=True)
    account: str | None = param("whose it is; with domainid", default=None)
    domain_id: Domain | None = param("domain of the account, or that may use a shared network", default=None)
    display_network: bool = param("only true", default=True)
    bypass_vlan_overlap_check: bool = param("only false", default=False)
    project_id: str | None = param("there are no projects", default=None)
    vpc_id: Vpc | None = param("of a tier: its VPC", default=None)
    acl_id: NetworkAclList | None = param(
        "of a tier: its network ACL list; default_deny by default", default=None
    )

    def run(self, ctx: Ctx) -> Network | SagaRow:
        if self.project_id:
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id)
        if self.bypass_vlan_overlap_check or not self.display_network:
            raise Refused("bypassvlanoverlapcheck=true and displaynetwork=false are not supported")
        if self.vpc_id is not None:
            return making.bring_up_if_persistent(ctx, self._tier(ctx, self.vpc_id))
        if self.acl_id is not None:
            raise Refused("Only tiers of VPCs have network ACLs: give vpcid, or leave aclid out")
        return making.bring_up_if_persistent(ctx, making.create(ctx, self._wish()))

    def _tier(self, ctx: Ctx, vpc: Vpc) -> Network:
        if self.vlan or self.start_ip or self.end_ip:
            raise Refused(
                "A tier takes its VLAN from the zone's and all of its subnet: leave vlan, startip, endip out"
            )
        for name, value in (("gateway", self.gateway), ("netmask", self.netmask)):
            if not value:
                raise MissingParameter(self.name.lower(), name)
        tier = vpc_tier.Tier(
            name=self.name_,
            display_text=self.display_text or self.name_,
            gateway=self.gateway or "",
            netmask=self.netmask or "",
            network_domain=self.network_domain,
            dns1=ip("dns1", self.dns1),
            dns2=ip("dns2", self.dns2),
        )
        offering, wires = self.network_offering_id, self.physical_network_id
        return vpc_tier.make(ctx, vpc, tier, offering, self.acl_id, zone=self.zone_id, physical=wires)

    def _wish(self) -> NetworkWish:
        return NetworkWish(
            name=self.name_,
            display_text=self.display_text or self.name_,
            offering=self.network_offering_id,
            zone=self.zone_id,
            account=self.account,
            domain=self.domain_id,
            acl_type=self.acl_type or "",
            subdomain_access=self.subdomain_access,
            physical=self.physical_network_id,
            vlan=self.vlan or "",
            gateway=self.gateway or "",
            netmask=self.netmask or "",
            start=self.start_ip or "",
            end=self.end_ip or "",
            network_domain=self.network_domain or "",
            dns1=ip("dns1", self.dns1),
            dns2=ip("dns2", self.dns2),
        )


class ListNetworks(OwnedList):
    """List networks that one can deploy into."""

    name = "listNetworks"
    response = NetworkView
    view = staticmethod(networks)

    id: Network | None = param("the network", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("in this zone", default=None)
    type: str | None = param("Shared, Isolated or L2", default=None)
    acl_type: str | None = param("Domain or Account", default=None)
    traffic_type: str | None = param("Guest; there are no others", default=None)
    network_offering_id: NetworkOffering | None = param("of this offering", default=None)
    physical_network_id: PhysicalNetwork | None = param("on these wires", default=None)
    vlan: str | None = param("on this VLAN", default=None)
    network_filter: str | None = param("All, Account, Domain, AccountDomain or Shared", default=None)
    supported_services: list[str] | None = param("with these services", default=None)
    can_use_for_deploy: bool | None = param("whether VMs can be deployed into it", default=None)
    specify_ip_ranges: bool | None = param("whether an operator gave its addresses", default=None)
    vpc_id: Vpc | None = param("tiers of this VPC", default=None)
    associated_network_id: str | None = param("no network is associated with another", default=None)
    for_vpc: bool | None = param("true: tiers of VPCs; false: others", default=None)
    is_system: bool = param("true: the cloud's own; there are none", default=False)
    restart_required: bool | None = param("whether its routers do not do all that they should", default=None)
    display_network: bool = param("false: hidden ones; there are none", default=True)
    show_icon: bool = param("with icons; there are none", default=False)

    def run(self, ctx: Ctx) -> Page[Network]:
        row = Network
        self._no_such()
        seen = ops.shown(
            ctx,
            account=self.account,
            domain=self.domain_id,
            everything=self.list_all or self.id is not None,
            recursive=self.is_recursive,
        )
        stmt = select(row).where(live(row), seen).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.guest_type, (self.type or "").capitalize()),
            (row.acl_type, (self.acl_type or "").capitalize()),
            (row.offering_id, self.network_offering_id),
            (row.physical_network_id, self.physical_network_id),
            (row.vlan, vlan.normal(self.vlan, most=vlan.HIGHEST_VXLAN) if self.vlan else None),
            (row.restart_required, self.restart_required),
        )
        stmt = only(stmt, (row.vpc_id, self.vpc_id))
        if self.for_vpc is not None:
            stmt = stmt.where(row.vpc_id.is_not(None) if self.for_vpc else row.vpc_id.is_(None))
        if self._none():
            stmt = stmt.where(false())
        if self.can_use_for_deploy is not None:
            usable = row.state.in_(JOINABLE)
            stmt = stmt.where(usable if self.can_use_for_deploy else ~usable)
        for service in self.supported_services or ():
            offered = select(NetworkOffering.id).where(matches(f"{service}=", NetworkOffering.services))
            stmt = stmt.where(row.offering_id.in_(offered))
        if self.specify_ip_ranges is not None:
            given = select(NetworkOffering.id).where(
                NetworkOffering.specify_ip_ranges.is_(self.specify_ip_ranges)
            )
            stmt = stmt.where(row.offering_id.in_(given))
        kind = (self.network_filter or "").capitalize()
        if kind in ACL_TYPES:
            stmt = stmt.where(row.acl_type == kind)
        if kind == "Shared":
            stmt = stmt.where(row.guest_type == kind)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.display_text))
        return self.fetch(ctx, stmt)

    def _no_such(self) -> None:
        """Refuse ids of things that are not there, as for any id that never was."""
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        if self.associated_network_id:
            raise NoSuchEntity(self.name.lower(), "associatednetworkid", self.associated_network_id)

    def _none(self) -> bool:
        """Return whether what is asked for cannot be."""
        other = (self.traffic_type or "Guest").lower() != "guest"
        return other or self.is_system or not self.display_network


class UpdateNetwork(Command):
    """Change a network, or give it another offering."""

    name = "updateNetwork"
    is_async = True
    response = NetworkView
    entity = Network
    view = staticmethod(networks)

    id: Network = param("the network")
    name_: str | None = param("its name", default=None, wire="name")
    display_text: str | None = param("what it is for", default=None, max_length=1024)
    network_domain: str | None = param("DNS domain of its guests", default=None)
    dns1: str | None = param("first name server", default=None)
    dns2: str | None = param("second name server", default=None)
    network_offering_id: NetworkOffering | None = param("another offering", default=None)
    display_network: bool = param("only true", default=True)
    change_cidr: bool = param("only false: what VMs have stays", default=False)
    update_in_sequence: bool = param("its routers are always told one after the other", default=False)
    forced: bool = param("there is nothing to force", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.change_cidr or not self.display_network:
            raise Refused("changecidr=true and displaynetwork=false are not supported")
        change = NetworkChange(
            name=self.name_ or None,
            display_text=self.display_text or None,
            network_domain=self.network_domain or None,
            dns1=ip("dns1", self.dns1),
            dns2=ip("dns2", self.dns2),
            offering=self.network_offering_id,
        )
        return changing.update(ctx, self.id, change)


class RestartNetwork(Command):
    """Restart a network: its routers are told all anew, or built from nothing."""

    name = "restartNetwork"
    is_async = True

    id: Network = param("the network")
    cleanup: bool = param("build its routers from nothing; of a pair one after the other", default=False)
    make_redundant: bool = param("give it a pair of routers", default=False)
    live_patch: bool = param("routers are always changed as they run", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return changing.restart(ctx, self.id, cleanup=self.cleanup, redundant=self.make_redundant)


class DeleteNetwork(Command):
    """Delete a network in which no VM has a NIC."""

    name = "deleteNetwork"
    is_async = True

    id: Network = param("the network")
    forced: bool = param("also when its router's host does not answer", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id, forced=self.forced)


COMMANDS = (CreateNetwork, ListNetworks, UpdateNetwork, RestartNetwork, DeleteNetwork)
