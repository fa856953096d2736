"""Virtual private clouds."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from uuid import uuid4

from sqlalchemy import select

from tegar.kernel.db import fire, live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Denied, Exists, InUse, NoPublicAddress
from tegar.model.vpc import Event, State
from tegar.ops import address as public_addresses
from tegar.ops import network_create
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.vpc_offering import pairs
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules
from tegar.saga.vpc_delete import DELETE_VPC, DeleteVpc
from tegar.saga.vpc_restart import RESTART_VPC, RestartVpc
from tegar.store import addresses, routers, vpcs
from tegar.store.accounts import Account, Domain
from tegar.store.routers import RouterGroup
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import Zone


@dataclass(frozen=True)
class Wish:
    """What a caller says of a VPC to make."""

    owner: Account
    zone: Zone
    offering: VpcOffering
    name: str
    display_text: str
    cidr: str
    network_domain: str | None = None
    dns1: str | None = None
    dns2: str | None = None
    shown: bool = True
    source_nat_ip: str = ""


def cidr_of(text: str) -> IPv4Network:
    """Return the CIDR of a VPC.

    Raises:
        BadParameter: it is none, too large or small, or not private.
    """
    try:
        found = IPv4Network(text.strip())
    except ValueError as e:
        raise BadParameter("cidr", f"{text[:60]!r} is not a network such as 10.0.0.0/16 ({e})") from None
    if not 8 <= found.prefixlen <= 29:
        raise BadParameter("cidr", f"{found} is not from /8 to /29")
    if not found.is_private or found.is_loopback or found.is_link_local:
        raise BadParameter("cidr", f"{found} is not private (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)")
    return found


def create(ctx: Ctx, wish: Wish) -> Vpc:
    """Make a VPC; nothing happens on hosts until a VM runs in one of its tiers.

    Raises:
        BadParameter: the CIDR or the domain makes no sense.
        Refused: the offering or the zone is not enabled.
        Exists: the account has one of that name.
    """
    if wish.offering.state != "Enabled":
        raise Refused(f"VPC offering {wish.offering.name} is not enabled")
    if wish.zone.allocation != "Enabled" and not ctx.is_admin:
        raise Refused(f"Zone {wish.zone.name} is disabled")
    if wish.zone.network_type != "Advanced":
        raise Refused(f"Zone {wish.zone.name} is a {wish.zone.network_type} zone; VPCs are of Advanced ones")
    within = cidr_of(wish.cidr)
    ctx.s.execute(
        select(Account.id).where(Account.id == wish.owner.id).with_for_update()
    )  # names stay unique
    taken = select(Vpc.id).where(Vpc.account_id == wish.owner.id, Vpc.name == wish.name, live(Vpc))
    if ctx.s.scalars(taken).first():
        raise Exists("VPC", wish.name)
    group = RouterGroup(redundant=wish.offering.redundant)
    ctx.s.add(group)
    ctx.s.flush()
    uuid = str(uuid4())
    vpc = Vpc(
        uuid=uuid,
        name=wish.name,
        display_text=wish.display_text,
        account_id=wish.owner.id,
        domain_id=wish.owner.domain_id,
        zone_id=wish.zone.id,
        offering_id=wish.offering.id,
        group_id=group.id,
        cidr=str(within),
        network_domain=_domain(ctx, wish, uuid),
        dns1=wish.dns1,
        dns2=wish.dns2,
        shown=wish.shown,
    )
    ctx.s.add(vpc)
    ctx.s.flush()
    _give_way_out(ctx, vpc, wish)
    ctx.note("VPC.CREATE", f"VPC {vpc.name} created", vpc)
    return vpc


def _domain(ctx: Ctx, wish: Wish, uuid: str) -> str:
    """Return the DNS domain of a VPC: as given, else its account's, its domain's or the zone's, else its own."""
    if wish.network_domain:
        return network_create.checked_domain(wish.network_domain)
    theirs = wish.owner.network_domain or ctx.s.get_one(Domain, wish.owner.domain_id).network_domain
    return theirs or wish.zone.network_domain or f"cs{uuid[:8]}cloud.internal"


def _give_way_out(ctx: Ctx, vpc: Vpc, wish: Wish) -> None:
    """Take the address that guests of all its tiers go out by; the VPC keeps it while it lives.

    Raises:
        NoPublicAddress: the zone has none left.
        BadParameter: the one that was wanted is not free.
    """
    if not any(name == "SourceNat" for name, _ in pairs(wish.offering.services)):
        return
    mine = {"account_id": vpc.account_id, "domain_id": vpc.domain_id}
    found = addresses.free(ctx.s, vpc.zone_id, want_ip=wish.source_nat_ip, **mine)
    if found is None and wish.source_nat_ip:
        raise BadParameter(
            "sourcenatipaddress", f"{wish.source_nat_ip} is no free address of zone {wish.zone.name}"
        )
    if found is None:
        raise NoPublicAddress(wish.zone.name, f"VPC {vpc.name}, whose guests go out by one")
    addresses.take(found, vpc.account_id, vpc.domain_id, ctx.now_s)
    found.vpc_id, found.source_nat = vpc.id, True
    ctx.s.flush()


def change(ctx: Ctx, vpc: Vpc, *, name: str | None, text: str | None, shown: bool | None) -> Vpc:
    """Change what a VPC is called and whether it is shown."""
    must_operate(ctx, vpc)
    vpc.name, vpc.display_text = name or vpc.name, text or vpc.display_text
    vpc.shown = vpc.shown if shown is None else shown
    ctx.note("VPC.UPDATE", f"VPC {vpc.name} changed", vpc)
    return vpc


def acquire(ctx: Ctx, vpc: Vpc, *, want_ip: str, shown: bool) -> SagaRow:
    """Ask for a public address of a VPC; its first rule says into which tier it leads.

    Raises:
        Denied: somebody else's VPC.
        Refused: it is being deleted.
        NoPublicAddress: the zone has none left.
    """
    must_operate(ctx, vpc)
    must_be_enabled(vpc)
    owner, zone = ctx.s.get_one(Account, vpc.account_id), ctx.s.get_one(Zone, vpc.zone_id)
    return public_addresses.acquire_in(
        ctx, owner, zone, vpc_id=vpc.id, group_id=vpc.group_id, want_ip=want_ip, shown=shown
    )


def must_be_enabled(vpc: Vpc) -> None:
    """Refuse to build in a VPC that is being deleted.

    Raises:
        Refused: it is.
    """
    if vpc.state != State.ENABLED:
        raise Refused(f"VPC {vpc.name} is {vpc.state.value}: it is being deleted")


def delete(ctx: Ctx, vpc: Vpc) -> SagaRow:
    """Ask for a VPC to be removed, with its ACL lists, gateways, routes and public addresses.

    Raises:
        Denied: somebody else's.
        InUse: it has tiers.
        BadTransition: it is being deleted already.
    """
    must_operate(ctx, vpc)
    count = len(vpcs.tiers(ctx.s, vpc.id))
    if count:
        raise InUse(f"VPC {vpc.name}", f"it has {count} tiers; delete them first")
    fire(ctx.s, vpc, Event.DELETE)
    ctx.note("VPC.DELETE", f"Deleting VPC {vpc.name}", vpc, state="Started")
    return DELETE_VPC.submit(ctx.s, DeleteVpc(vpc.id), ctx.job(vpc))


def restart(ctx: Ctx, vpc: Vpc, *, cleanup: bool, make_redundant: bool) -> SagaRow:
    """Ask for a VPC's routers to be told all anew: *cleanup* builds them from nothing.

    Raises:
        Denied: somebody else's, or a user asks for a pair.
        Refused: it is being deleted.
    """
    must_operate(ctx, vpc)
    must_be_enabled(vpc)
    group = ctx.s.get_one(RouterGroup, vpc.group_id)
    if make_redundant and not ctx.is_admin and not _offers_pair(ctx, vpc):
        raise Denied(f"Only an administrator can give VPC {vpc.name} a pair of routers: its offering has one")
    routers.want_again(ctx.s, vpc.group_id)
    ctx.note("VPC.RESTART", f"Restarting VPC {vpc.name}", vpc, state="Started")
    if not cleanup and not make_redundant:
        return APPLY_RULES.submit(ctx.s, ApplyRules((vpc.group_id,)), ctx.job(vpc))
    pair = make_redundant and not group.redundant
    return RESTART_VPC.submit(ctx.s, RestartVpc(vpc.id, make_redundant=pair), ctx.job(vpc))


def _offers_pair(ctx: Ctx, vpc: Vpc) -> bool:
    return ctx.s.get_one(VpcOffering, vpc.offering_id).redundant
