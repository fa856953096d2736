"""Private gateways of VPCs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model import vlan as vlans
from tegar.model.errors import InUse
from tegar.model.rule import RuleState
from tegar.model.span import address, subnet
from tegar.ops import acl
from tegar.ops import physical_network as wires
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.vpc import must_be_enabled
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules, ref
from tegar.store import gateways, routers
from tegar.store.acls import NetworkAclList
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.networks import Network
from tegar.store.serial import alone
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone


@dataclass(frozen=True)
class Wish:
    """What an operator says of a gateway; the VLAN is ``untagged`` or a number."""

    ip: str
    gateway: str
    netmask: str
    vlan: str
    source_nat: bool = False
    shared_vlan: bool = False


def create(
    ctx: Ctx, vpc: Vpc, wish: Wish, acl_list: NetworkAclList | None, physical: PhysicalNetwork | None
) -> SagaRow:
    """Give a VPC a way into an operator's VLAN; done when its routers have it.

    Raises:
        BadParameter: the addresses make no sense.
        Refused: its subnet is another's of the VPC, the VLAN is a guest network's, or the address is taken there.
    """
    within = subnet(wish.gateway, wish.netmask)
    ip = address("ipaddress", wish.ip)
    if ip not in within.network or ip in (within.network.network_address, within.network.broadcast_address):
        raise BadParameter(
            "ipaddress", f"{ip} is no address of a host in {within.network}, the gateway's subnet"
        )
    if ip == within.gateway:
        raise BadParameter("ipaddress", f"{ip} is the gateway's")
    if within.network.overlaps(IPv4Network(vpc.cidr)):
        raise Refused(f"{within.network} overlaps {vpc.cidr}, the CIDR of VPC {vpc.name}")
    if acl_list is not None:
        acl.must_be_for(acl_list, vpc.id)
    alone(ctx.s)
    ctx.s.refresh(vpc)
    must_be_enabled(vpc)
    found, bridge = wires.of_zone(ctx, ctx.s.get_one(Zone, vpc.zone_id), physical)
    tag = vlans.normal(wish.vlan)
    _must_be_apart(ctx, vpc, within.network)
    _must_be_free(ctx, found, tag, str(ip), shared=wish.shared_vlan)
    row = PrivateGateway(
        vpc_id=vpc.id,
        account_id=vpc.account_id,
        domain_id=vpc.domain_id,
        zone_id=vpc.zone_id,
        physical_network_id=found.id,
        bridge=bridge,
        vlan=tag,
        ip=str(ip),
        gateway=str(within.gateway),
        netmask=within.netmask,
        source_nat=wish.source_nat,
        acl_list_id=acl_list.id if acl_list else None,
    )
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note("PRIVATE.GATEWAY.CREATE", f"Private gateway {ip} of VPC {vpc.name}", row, state="Started")
    return _apply(ctx, vpc, row)


def _must_be_apart(ctx: Ctx, vpc: Vpc, cidr: IPv4Network) -> None:
    """Refuse a subnet that another private gateway of the VPC leads to."""
    for other in gateways.of_vpc(ctx.s, vpc.id):
        if cidr.overlaps(IPv4Network(f"{other.ip}/{other.netmask}", strict=False)):
            raise Refused(f"{cidr} overlaps the subnet of private gateway {other.ip} of VPC {vpc.name}")


def _must_be_free(ctx: Ctx, physical: PhysicalNetwork, tag: str, ip: str, *, shared: bool) -> None:
    """Refuse a guest network's VLAN, unless that is wished, and an address that another gateway has there."""
    network = ctx.s.scalars(
        select(Network.name).where(
            Network.physical_network_id == physical.id, Network.vlan == tag, live(Network)
        )
    ).first()
    if network and not shared:
        raise Refused(f"Guest network {network} is on VLAN {tag} of physical network {physical.name}")
    same = select(PrivateGateway.id).where(
        PrivateGateway.physical_network_id == physical.id, PrivateGateway.vlan == tag, PrivateGateway.ip == ip
    )
    if ctx.s.scalars(same.where(live(PrivateGateway))).first():
        raise Refused(f"A private gateway has {ip} on VLAN {tag} already")


def delete(ctx: Ctx, gateway: PrivateGateway) -> SagaRow:
    """Ask for a gateway to be removed; done when the routers do without it.

    Raises:
        InUse: static routes lead through it.
        Refused: it is being deleted already.
    """
    must_operate(ctx, gateway)
    vpc = ctx.s.scalars(select(Vpc).where(Vpc.id == gateway.vpc_id).with_for_update()).one()
    if gateway.state == RuleState.REVOKE:
        raise Refused(f"Private gateway {gateway.ip} is being deleted")
    used = select(StaticRoute.cidr).where(StaticRoute.gateway_id == gateway.id, live(StaticRoute))
    cidr = ctx.s.scalars(used).first()
    if cidr:
        raise InUse(f"Private gateway {gateway.ip}", f"the static route to {cidr} leads through it")
    gateway.state = RuleState.REVOKE
    ctx.note("PRIVATE.GATEWAY.DELETE", f"Deleting private gateway {gateway.ip}", gateway, state="Started")
    return _apply(ctx, vpc, gateway)


def _apply(ctx: Ctx, vpc: Vpc, row: PrivateGateway) -> SagaRow:
    routers.want_again(ctx.s, vpc.group_id)
    return APPLY_RULES.submit(ctx.s, ApplyRules((vpc.group_id,), (ref(row),)), ctx.job(row))
