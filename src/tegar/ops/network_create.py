"""Making guest networks: shared ones by operators, isolated and L2 ones by everybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from uuid import uuid4

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, MissingParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model import vlan as vlans
from tegar.model.errors import Denied
from tegar.model.network import State
from tegar.model.span import Span, Subnet, span, subnet
from tegar.ops import access, vlan_range
from tegar.ops import physical_network as wires
from tegar.ops.ctx import Ctx
from tegar.saga.network_bring_up import BRING_UP_NETWORK, BringUp
from tegar.store import segments
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network, VlanRange
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import RouterGroup
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork, Zone

DEFAULT_CIDR = "10.1.1.0/24"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,190}}$){_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class NetworkWish:
    """All that a caller says of a network to make; empty text is what was not said."""

    name: str
    display_text: str
    offering: NetworkOffering
    zone: Zone
    account: str | None = None
    domain: Domain | None = None
    acl_type: str = ""
    subdomain_access: bool = True
    physical: PhysicalNetwork | None = None
    vlan: str = ""
    gateway: str = ""
    netmask: str = ""
    start: str = ""
    end: str = ""
    network_domain: str = ""
    dns1: str | None = None
    dns2: str | None = None


@dataclass(frozen=True)
class _Owner:
    account_id: int
    domain_id: int
    acl_type: str


def create(ctx: Ctx, wish: NetworkWish) -> Network:
    """Make a network; nothing happens on hosts until a VM joins.

    Raises:
        Refused: the offering, the VLAN or the physical network will not do.
        Denied: only administrators make shared networks, and choose VLANs.
        BadParameter: an address, the netmask, the VLAN or the domain makes no sense.
        MissingParameter: the offering needs more.
    """
    offering = wish.offering
    _must_be_offered(ctx, wish)
    owner = _owner(ctx, wish)
    within = _subnet(wish)
    found = _span(wish, within)
    uuid = str(uuid4())
    domain = dns_domain(ctx, wish, owner, uuid)
    alone(ctx.s)
    physical, bridge = wires.of_zone(ctx, wish.zone, wish.physical, tags=offering.tags)
    tag = _vlan(ctx, wish, physical)
    network = Network(
        uuid=uuid,
        name=wish.name,
        display_text=wish.display_text,
        account_id=owner.account_id,
        domain_id=owner.domain_id,
        zone_id=wish.zone.id,
        offering_id=offering.id,
        physical_network_id=physical.id,
        guest_type=offering.guest_type,
        acl_type=owner.acl_type,
        subdomain_access=wish.subdomain_access and owner.acl_type == "Domain",
        state=State.SETUP if offering.guest_type == "Shared" else State.ALLOCATED,
        group_id=_group(ctx, offering),
        vlan=tag,
        broadcast="Vxlan" if physical.isolation == "VXLAN" else "Vlan",
        specified_vlan=offering.specify_vlan,
        bridge=bridge,
        gateway=str(within.gateway) if within else "",
        netmask=within.netmask if within else "",
        cidr=str(within.network) if within else "",
        network_domain=domain,
        dns1=wish.dns1,
        dns2=wish.dns2,
    )
    ctx.s.add(network)
    ctx.s.flush()
    number = vlans.tag(tag)
    if number is not None:
        segments.occupy(ctx.s, physical.id, number, network.id)
    if within and found:
        _give_range(ctx, network, within, found)
    ctx.note("NETWORK.CREATE", f"Network {network.name} created", network)
    return network


def bring_up_if_persistent(ctx: Ctx, network: Network) -> Network | SagaRow:
    """Let a network whose offering is persistent be implemented at once; others wait for their first VM."""
    if not ctx.s.get_one(NetworkOffering, network.offering_id).persistent:
        return network
    return BRING_UP_NETWORK.submit(ctx.s, BringUp(network.id), ctx.job(network))


def _must_be_offered(ctx: Ctx, wish: NetworkWish) -> None:
    offering = wish.offering
    if offering.state != "Enabled":
        raise Refused(f"Network offering {offering.name} is not enabled")
    if offering.guest_type == "Shared" and not ctx.is_admin:
        raise Denied("Only an administrator can create shared networks")
    if offering.for_vpc:
        raise Refused(f"Network offering {offering.name} is of tiers of VPCs: give vpcid")
    if offering.offers("SecurityGroup") and not wish.zone.security_groups:
        why = f"network offering {offering.name} is for zones made with securitygroupenabled=true"
        raise Refused(f"Zone {wish.zone.name} has no security groups: {why}")
    zones = [z for z in offering.zone_ids.split(",") if z]
    if zones and str(wish.zone.id) not in zones:
        raise Refused(f"Network offering {offering.name} is not offered in zone {wish.zone.name}")
    if wish.zone.allocation != "Enabled" and not ctx.is_admin:
        raise Refused(f"Zone {wish.zone.name} is disabled")


def _owner(ctx: Ctx, wish: NetworkWish) -> _Owner:
    """Return the account and the domain that a network is for.

    Raises:
        Refused: access by account without one, by domain with one, or by domain of what is never shared.
    """
    acl_type = wish.acl_type or ("Domain" if wish.offering.guest_type == "Shared" else "Account")
    if wish.offering.guest_type != "Shared":
        if acl_type != "Account":
            raise Refused(
                f"acltype of {wish.offering.guest_type} networks is Account: they are their owner's alone"
            )
        found = access.owner(ctx, wish.account, wish.domain)
        return _Owner(found.id, found.domain_id, acl_type)
    if acl_type == "Account":
        if not wish.account or wish.domain is None:
            raise Refused("acltype Account needs account and domainid: who may use the network")
        found = access.owner(ctx, wish.account, wish.domain)
        return _Owner(found.id, found.domain_id, acl_type)
    if wish.account:
        raise Refused("With account, say acltype=Account; acltype Domain is for all of domainid")
    return _Owner(ctx.account.id, (wish.domain or ctx.domain).id, acl_type)


def _subnet(wish: NetworkWish) -> Subnet | None:
    """Return the subnet: as given, else the zone's for guests, else 10.1.1.0/24; None for L2 networks."""
    if wish.offering.guest_type == "L2":
        if any((wish.gateway, wish.netmask, wish.start, wish.end)):
            raise Refused("L2 networks have no addresses: leave gateway, netmask, startip and endip out")
        return None
    if wish.offering.guest_type == "Shared" or wish.offering.specify_ip_ranges:
        for name, value in (("gateway", wish.gateway), ("netmask", wish.netmask), ("startip", wish.start)):
            if not value:
                raise MissingParameter("createnetwork", name)
    if bool(wish.gateway) != bool(wish.netmask):
        raise Refused("gateway and netmask belong together: give both or none")
    if wish.gateway:
        return subnet(wish.gateway, wish.netmask)
    network = IPv4Network(wish.zone.guest_cidr or DEFAULT_CIDR)
    return Subnet(network, network[1])


def _span(wish: NetworkWish, within: Subnet | None) -> Span | None:
    if within is None or not wish.start:
        if wish.end:
            raise MissingParameter("createnetwork", "startip")
        return None
    return span(within, wish.start, wish.end or None)


def _give_range(ctx: Ctx, network: Network, within: Subnet, found: Span) -> None:
    """Keep the range: all its addresses of a shared network; of an isolated one only what the guests' lie in."""
    if network.guest_type == "Shared":
        vlan_range.give(ctx, network, within, found)
        return
    ctx.s.add(
        VlanRange(
            zone_id=network.zone_id,
            physical_network_id=network.physical_network_id,
            network_id=network.id,
            for_virtual_network=False,
            vlan=network.vlan or vlans.UNTAGGED,
            gateway=str(within.gateway),
            netmask=within.netmask,
            start_ip=str(found.first),
            end_ip=str(found.last),
        )
    )
    ctx.s.flush()


def _vlan(ctx: Ctx, wish: NetworkWish, physical: PhysicalNetwork) -> str:
    """Return the segment that an operator chose in normal form, empty when one is taken later.

    Raises:
        Refused: the offering wants none, or another network has it.
        Denied: only administrators choose.
        MissingParameter: the offering wants one.
    """
    if not wish.offering.specify_vlan:
        if wish.vlan:
            raise Refused(f"Network offering {wish.offering.name} lets nobody choose a VLAN: leave vlan out")
        return ""
    if not wish.vlan:
        raise MissingParameter("createnetwork", "vlan")
    if not ctx.is_admin:
        raise Denied("Only an administrator can choose a VLAN")
    tag = vlans.normal(wish.vlan, most=vlans.highest(physical.isolation))
    same = select(Network).where(
        Network.physical_network_id == physical.id, Network.vlan == tag, live(Network)
    )
    other = ctx.s.scalars(same).first()
    if other:
        raise Refused(f"Network {other.name} is on VLAN {tag} of physical network {physical.name} already")
    return tag


def _group(ctx: Ctx, offering: NetworkOffering) -> int | None:
    """Make the group of routers that the offering wants; None when it needs none."""
    if "=VirtualRouter" not in offering.services:
        return None
    group = RouterGroup(redundant=offering.redundant)
    ctx.s.add(group)
    ctx.s.flush()
    return group.id


def dns_domain(ctx: Ctx, wish: NetworkWish, owner: _Owner, uuid: str) -> str:
    """Return the DNS domain of a network: as given, else its account's, its domain's or the zone's, else its own.

    Raises:
        BadParameter: it is no domain.
    """
    if wish.network_domain:
        return checked_domain(wish.network_domain)
    theirs = None
    if owner.acl_type == "Account":
        theirs = ctx.s.get_one(Account, owner.account_id).network_domain
    theirs = theirs or ctx.s.get_one(Domain, owner.domain_id).network_domain
    return theirs or wish.zone.network_domain or f"cs{uuid[:8]}cloud.internal"


def checked_domain(text: str) -> str:
    """Return a DNS domain.

    Raises:
        BadParameter: it is none.
    """
    if not _DOMAIN.fullmatch(text):
        raise BadParameter("networkdomain", f"{text[:80]!r} is not a DNS domain, such as cloud.example.org")
    return text
