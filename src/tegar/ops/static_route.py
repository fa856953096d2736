"""Static routes of VPCs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.rule import RuleState
from tegar.model.settings import DENIED_ROUTES
from tegar.model.span import address
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.vpc import must_be_enabled
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules, ref
from tegar.store import gateways, routers, vpcs
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.vpcs import Vpc

# Nobody routes these away: link-local addresses (metadata), loopback, multicast.
NEVER = (IPv4Network("169.254.0.0/16"), IPv4Network("127.0.0.0/8"), IPv4Network("224.0.0.0/4"))


def create(
    ctx: Ctx, cidr: str, *, gateway: PrivateGateway | None, vpc: Vpc | None, next_hop: str | None
) -> SagaRow:
    """Let a VPC's routers reach a destination by a private gateway, or by an address beside them.

    Raises:
        BadParameter: the CIDR or the address makes no sense.
        Refused: the destination is the VPC's own, link-local or forbidden by the operator, or has a route already.
    """
    vpc, via = _way(ctx, gateway, vpc, next_hop)
    must_operate(ctx, vpc)
    wanted = _destination(ctx, cidr)
    ctx.s.execute(select(Vpc.id).where(Vpc.id == vpc.id).with_for_update())
    ctx.s.refresh(vpc)
    must_be_enabled(vpc)
    if gateway is not None and gateway.state == RuleState.REVOKE:
        raise Refused(f"Private gateway {gateway.ip} is being deleted")
    if wanted.overlaps(IPv4Network(vpc.cidr)):
        raise Refused(f"{wanted} overlaps {vpc.cidr}, the CIDR of VPC {vpc.name}")
    same = select(StaticRoute).where(StaticRoute.vpc_id == vpc.id, live(StaticRoute))
    for other in ctx.s.scalars(same):
        if wanted.overlaps(IPv4Network(other.cidr)):
            raise Refused(
                f"{wanted} overlaps {other.cidr}, to which VPC {vpc.name} has a static route already"
            )
    row = StaticRoute(
        vpc_id=vpc.id,
        gateway_id=gateway.id if gateway else None,
        account_id=vpc.account_id,
        domain_id=vpc.domain_id,
        cidr=str(wanted),
        next_hop=via,
    )
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note("STATIC.ROUTE.CREATE", f"Static route to {wanted} of VPC {vpc.name}", row, state="Started")
    return _apply(ctx, vpc, row)


def _way(ctx: Ctx, gateway: PrivateGateway | None, vpc: Vpc | None, next_hop: str | None) -> tuple[Vpc, str]:
    """Return the VPC of a route, and the address that it leads by."""
    if (gateway is None) == (next_hop is None):
        raise Refused("Give gatewayid, or vpcid and nexthop, and not both")
    if gateway is not None:
        if vpc is not None and vpc.id != gateway.vpc_id:
            raise Refused(f"Private gateway {gateway.ip} is not of VPC {vpc.name}")
        return ctx.s.get_one(Vpc, gateway.vpc_id), gateway.gateway
    if vpc is None:
        raise Refused("nexthop needs vpcid")
    hop = address("nexthop", next_hop or "")
    if not _is_near(ctx, vpc, hop):
        raise BadParameter("nexthop", f"{hop} is in no tier and beside no private gateway of VPC {vpc.name}")
    return vpc, str(hop)


def _is_near(ctx: Ctx, vpc: Vpc, hop: IPv4Address) -> bool:
    tiers = [IPv4Network(t.cidr) for t in vpcs.tiers(ctx.s, vpc.id)]
    beside = [IPv4Network(f"{g.ip}/{g.netmask}", strict=False) for g in gateways.of_vpc(ctx.s, vpc.id)]
    return any(hop in network for network in (*tiers, *beside))


def _destination(ctx: Ctx, cidr: str) -> IPv4Network:
    try:
        wanted = IPv4Network(cidr.strip())
    except ValueError as e:
        raise BadParameter("cidr", f"{cidr[:60]!r} is not a network such as 192.168.0.0/24 ({e})") from None
    forbidden = DENIED_ROUTES.of(ctx.s)
    for text in filter(None, (part.strip() for part in forbidden.split(","))):
        if wanted.overlaps(IPv4Network(text, strict=False)):
            raise Refused(
                f"Routes to {wanted} are forbidden by the operator: {DENIED_ROUTES.name} has {text}"
            )
    for network in NEVER:
        if wanted.overlaps(network):
            raise Refused(f"{wanted} overlaps {network}, which is never routed")
    return wanted


def delete(ctx: Ctx, route: StaticRoute) -> SagaRow:
    """Ask for a route to be removed; done when the routers do without it.

    Raises:
        Refused: it is being deleted already.
    """
    must_operate(ctx, route)
    vpc = ctx.s.scalars(select(Vpc).where(Vpc.id == route.vpc_id).with_for_update()).one()
    if route.state == RuleState.REVOKE:
        raise Refused(f"The static route to {route.cidr} is being deleted")
    route.state = RuleState.REVOKE
    ctx.note("STATIC.ROUTE.DELETE", f"Deleting the static route to {route.cidr}", route, state="Started")
    return _apply(ctx, vpc, route)


def _apply(ctx: Ctx, vpc: Vpc, row: StaticRoute) -> SagaRow:
    routers.want_again(ctx.s, vpc.group_id)
    return APPLY_RULES.submit(ctx.s, ApplyRules((vpc.group_id,), (ref(row),)), ctx.job(row))
