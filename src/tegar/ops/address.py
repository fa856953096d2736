"""Public addresses: acquired by accounts, from ranges that operators gave."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import InUse, NoPublicAddress
from tegar.model.network import JOINABLE
from tegar.model.rule import RuleState
from tegar.ops import access
from tegar.ops import rule as rules
from tegar.ops.ctx import Ctx
from tegar.saga.address_hold import HOLD_ADDRESS, RELEASE_ADDRESS, HoldAddress
from tegar.store import addresses, routers
from tegar.store.accounts import Account
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.rules import of_address
from tegar.store.vpcs import Vpc
from tegar.store.zones import Zone

NATS = ("SourceNat", "StaticNat", "PortForwarding", "Lb")


def acquire(ctx: Ctx, owner: Account, network: Network, *, want_ip: str, shown: bool) -> SagaRow:
    """Ask for an address that leads into a network.

    Raises:
        Denied: somebody else's network.
        Refused: the network has no use for addresses, or the address is not free.
        NoPublicAddress: the zone has none left.
    """
    access.must_operate(ctx, network)
    offering = ctx.s.get_one(NetworkOffering, network.offering_id)
    if not any(offering.offers(service) for service in NATS):
        raise Refused(
            f"Network {network.name} has no use for public addresses: its offering is {offering.name}"
        )
    if network.account_id != owner.id:
        raise Refused(f"Network {network.name} is not of account {owner.name}")
    if network.state not in JOINABLE:
        raise Refused(f"Network {network.name} is {network.state.value}")
    routers.want_again(ctx.s, network.group_id)
    zone = ctx.s.get_one(Zone, network.zone_id)
    address = _take(ctx, owner, zone, want_ip=want_ip, what=f"network {network.name}")
    address.network_id, address.vpc_id, address.shown = network.id, network.vpc_id, shown
    return _hold(ctx, address, network.group_id)


def acquire_in(
    ctx: Ctx,
    owner: Account,
    zone: Zone,
    *,
    vpc_id: int | None,
    group_id: int | None,
    want_ip: str,
    shown: bool,
) -> SagaRow:
    """Ask for an address of a VPC, or of a zone: it leads somewhere with its first rule.

    Raises:
        Refused: the zone is disabled, or the address is not free.
        NoPublicAddress: the zone has none left.
    """
    if zone.allocation != "Enabled" and not ctx.is_admin:
        raise Refused(f"Zone {zone.name} is disabled")
    routers.want_again(ctx.s, group_id)
    address = _take(ctx, owner, zone, want_ip=want_ip, what=f"account {owner.name}")
    address.vpc_id, address.shown = vpc_id, shown
    return _hold(ctx, address, group_id)


def _take(ctx: Ctx, owner: Account, zone: Zone, *, want_ip: str, what: str) -> PublicAddress:
    found = addresses.free(ctx.s, zone.id, account_id=owner.id, domain_id=owner.domain_id, want_ip=want_ip)
    if found is None and want_ip:
        found = ctx.s.query(PublicAddress).filter_by(
            zone_id=zone.id, ip=want_ip, state=State.RESERVED, account_id=owner.id, removed_s=None
        ).first()  # fmt: skip
    if found is None and want_ip:
        raise BadParameter("ipaddress", f"{want_ip} is no free public address of zone {zone.name}")
    if found is None:
        raise NoPublicAddress(zone.name, what)
    return addresses.take(found, owner.id, owner.domain_id, ctx.now_s)


def _hold(ctx: Ctx, address: PublicAddress, group_id: int | None) -> SagaRow:
    ctx.s.flush()
    ctx.note("NET.IPASSIGN", f"Acquired address {address.ip}", address, state="Started")
    groups = (group_id,) if group_id is not None else ()
    return HOLD_ADDRESS.submit(ctx.s, HoldAddress(address.id, groups), ctx.job(address))


def release(ctx: Ctx, address: PublicAddress) -> SagaRow:
    """Ask for an address to be given back; all its rules go first.

    Raises:
        Denied: somebody else's.
        Refused: nobody has it, guests go out by it, or it came with a VM.
        InUse: a rule of it is not settled yet.
    """
    rules.held(ctx, address)
    if address.source_nat:
        raise Refused(f"Guests go out by address {address.ip}; it is given back when its network is deleted")
    if address.elastic and address.static_nat:
        raise Refused(f"Address {address.ip} came with its VM and goes with it")
    group_id = _group_of(ctx, address)
    routers.want_again(ctx.s, group_id)
    for row in of_address(ctx.s, address.id):
        if row.state != RuleState.ACTIVE:
            raise InUse(
                f"Address {address.ip}", f"its rule {row.uuid} is {row.state.value}; wait for that job"
            )
        row.state = RuleState.REVOKE
    address.state = State.RELEASING
    ctx.s.flush()
    ctx.note("NET.IPRELEASE", f"Releasing address {address.ip}", address, state="Started")
    groups = (group_id,) if group_id is not None else ()
    return RELEASE_ADDRESS.submit(ctx.s, HoldAddress(address.id, groups), ctx.job(address))


def held_by_number(ctx: Ctx, ip: str) -> PublicAddress:
    """Return an acquired address that the caller may see.

    Raises:
        Refused: there is none, or there are several (zones may have the same).
    """
    stmt = select(PublicAddress).where(PublicAddress.ip == ip, PublicAddress.state == State.ALLOCATED)
    found = ctx.s.scalars(stmt.where(access.visible(ctx, PublicAddress), live(PublicAddress))).all()
    if not found:
        raise Refused(f"Nobody of yours has acquired address {ip[:40]}")
    if len(found) > 1:
        raise Refused(f"Several zones have address {ip[:40]}: say id")
    return found[0]


def _group_of(ctx: Ctx, address: PublicAddress) -> int | None:
    """Return the group of routers that hold an address: of its VPC or its network."""
    if address.vpc_id is not None:
        return ctx.s.get_one(Vpc, address.vpc_id).group_id
    return ctx.s.get_one(Network, address.network_id).group_id if address.network_id else None


def reserve(ctx: Ctx, owner: Account, address: PublicAddress, *, shown: bool) -> PublicAddress:
    """Keep a free address for an account: nobody else gets it, and the account acquires it by its number.

    Raises:
        Refused: it is not free.
    """
    if (
        address.state != State.FREE
        or addresses.free(
            ctx.s, address.zone_id, account_id=owner.id, domain_id=owner.domain_id, want_ip=address.ip
        )
        is None
    ):
        raise Refused(f"Address {address.ip} is {address.state.value}; only Free ones can be reserved")
    address.state, address.account_id, address.domain_id = State.RESERVED, owner.id, owner.domain_id
    address.shown = shown
    ctx.note("NET.IPRESERVE", f"Reserved address {address.ip}", address)
    return address


def unreserve(ctx: Ctx, address: PublicAddress) -> None:
    """Let a reserved address be anybody's again.

    Raises:
        Denied: somebody else's.
        Refused: it is not reserved.
    """
    if address.state != State.RESERVED:
        raise Refused(f"Address {address.ip} is {address.state.value}, not Reserved")
    access.must_operate(ctx, address)
    ctx.note("NET.IPRELEASE", f"Address {address.ip} is no longer reserved", address)
    addresses.let_go(address)


def show(ctx: Ctx, address: PublicAddress, *, shown: bool | None) -> PublicAddress:
    """Show an address to users, or hide it.

    Raises:
        Denied: somebody else's.
    """
    rules.held(ctx, address)
    if shown is not None:
        address.shown = shown
    return address
