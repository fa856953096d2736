"""Tiers: the networks of a VPC."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.errors import Exists
from tegar.model.network import State
from tegar.model.span import subnet
from tegar.ops import acl, network_create, vpc_offering
from tegar.ops import physical_network as wires
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.vpc import must_be_enabled
from tegar.store import acls, vpcs
from tegar.store.acls import NetworkAclList
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import PhysicalNetwork, Zone


@dataclass(frozen=True)
class Tier:
    """What a caller says of a tier to make."""

    name: str
    display_text: str
    gateway: str
    netmask: str
    network_domain: str | None = None
    dns1: str | None = None
    dns2: str | None = None


def make(
    ctx: Ctx,
    vpc: Vpc,
    tier: Tier,
    offering: NetworkOffering,
    acl_list: NetworkAclList | None,
    *,
    zone: Zone,
    physical: PhysicalNetwork | None = None,
) -> Network:
    """Make a tier; its segment and its place in the VPC's routers come with its first VM.

    Without a list, a tier whose offering has network ACLs gets the stock list that denies all.

    Raises:
        BadParameter: the subnet makes no sense or is not in the VPC's.
        Refused: another tier has part of the subnet, the offering is not for tiers, the VPC is being deleted.
        Exists: the VPC has a tier of that name.
    """
    must_operate(ctx, vpc)
    if zone.id != vpc.zone_id:
        raise Refused(f"VPC {vpc.name} is not in zone {zone.name}")
    _must_fit(ctx, vpc, offering)
    within = subnet(tier.gateway, tier.netmask)
    bridge = wires.of_zone(ctx, zone, physical, tags=offering.tags)
    ctx.s.execute(select(Vpc.id).where(Vpc.id == vpc.id).with_for_update())  # tiers never overlap
    ctx.s.refresh(vpc)
    must_be_enabled(vpc)
    _must_be_apart(ctx, vpc, tier.name, within.network)
    network = Network(
        name=tier.name,
        display_text=tier.display_text,
        account_id=vpc.account_id,
        domain_id=vpc.domain_id,
        zone_id=vpc.zone_id,
        offering_id=offering.id,
        physical_network_id=bridge[0].id,
        guest_type="Isolated",
        acl_type="Account",
        subdomain_access=False,
        state=State.ALLOCATED,
        group_id=vpc.group_id,
        vpc_id=vpc.id,
        acl_list_id=_list_of(ctx, vpc, offering, acl_list),
        vlan="",
        broadcast="Vxlan" if bridge[0].isolation == "VXLAN" else "Vlan",
        specified_vlan=False,
        bridge=bridge[1],
        gateway=str(within.gateway),
        netmask=within.netmask,
        cidr=str(within.network),
        network_domain=network_create.checked_domain(tier.network_domain or vpc.network_domain),
        dns1=tier.dns1 or vpc.dns1,
        dns2=tier.dns2 or vpc.dns2,
    )
    ctx.s.add(network)
    ctx.s.flush()
    ctx.note("NETWORK.CREATE", f"Tier {network.name} of VPC {vpc.name} created", network)
    return network


def _must_fit(ctx: Ctx, vpc: Vpc, offering: NetworkOffering) -> None:
    """Refuse offerings that are not for tiers, or want what the VPC does not have."""
    if not offering.for_vpc or offering.guest_type != "Isolated":
        raise Refused(f"Network offering {offering.name} is not for tiers of VPCs; use one with forvpc=true")
    if offering.state != "Enabled":
        raise Refused(f"Network offering {offering.name} is not enabled")
    has = vpc_offering.pairs(ctx.s.get_one(VpcOffering, vpc.offering_id).services)
    lacks = sorted({name for name, _ in vpc_offering.pairs(offering.services) - has})
    if lacks:
        raise Refused(
            f"VPC {vpc.name} does not have {', '.join(lacks)} as network offering {offering.name} does"
        )


def _must_be_apart(ctx: Ctx, vpc: Vpc, name: str, cidr: IPv4Network) -> None:
    if not cidr.subnet_of(IPv4Network(vpc.cidr)):
        raise BadParameter("gateway", f"{cidr} is not in {vpc.cidr}, the CIDR of VPC {vpc.name}")
    for other in vpcs.tiers(ctx.s, vpc.id):
        if other.name == name:
            raise Exists(f"tier of VPC {vpc.name}", name)
        if cidr.overlaps(IPv4Network(other.cidr)):
            raise Refused(f"{cidr} overlaps {other.cidr}, which tier {other.name} of VPC {vpc.name} has")


def _list_of(ctx: Ctx, vpc: Vpc, offering: NetworkOffering, wanted: NetworkAclList | None) -> int | None:
    has = any(name == "NetworkACL" for name, _ in vpc_offering.pairs(offering.services))
    if wanted is not None and not has:
        raise Refused(f"Network offering {offering.name} has no network ACLs: leave aclid out")
    if not has:
        return None
    if wanted is not None:
        acl.must_be_for(wanted, vpc.id)
    found = wanted or acls.stock_list(ctx.s, acls.DENY)
    return found.id if found else None


def of(ctx: Ctx, network: Network) -> Vpc | None:
    """Return the VPC that a network is a tier of."""
    if network.vpc_id is None:
        return None
    return ctx.s.scalars(select(Vpc).where(Vpc.id == network.vpc_id, live(Vpc))).one_or_none()
