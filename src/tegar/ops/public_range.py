"""Ranges of public addresses: their addresses, changes of their ends, to whom they are dedicated."""

from __future__ import annotations

from ipaddress import IPv4Address

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model.errors import InUse
from tegar.model.span import Span, span, subnet
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import GuestAddress, VlanRange
from tegar.store.serial import alone


def write_down(ctx: Ctx, row: VlanRange, found: Span) -> None:
    """Write all addresses of a range down; those that it had before are there again."""
    there = {a.ip: a for a in ctx.s.scalars(select(PublicAddress).where(PublicAddress.range_id == row.id))}
    for ip in found.addresses():
        if ip not in there:
            ctx.s.add(PublicAddress(zone_id=row.zone_id, range_id=row.id, ip=ip, state=State.FREE))
        elif there[ip].removed_s:
            there[ip].removed_s = None
    ctx.s.flush()


def _take_away(ctx: Ctx, row: VlanRange, keep: Span | None) -> None:
    """Remove the addresses of a range that are not to be kept.

    Raises:
        InUse: somebody has one of them.
    """
    stmt = select(PublicAddress).where(PublicAddress.range_id == row.id, live(PublicAddress))
    for address in ctx.s.scalars(stmt.order_by(PublicAddress.id)):
        if keep is not None and IPv4Address(address.ip) in keep:
            continue
        if address.state != State.FREE:
            raise InUse(
                f"Range {row.start_ip} to {row.end_ip}", f"address {address.ip} is {address.state.value}"
            )
        address.removed_s = ctx.now_s
    ctx.s.flush()


def resize(ctx: Ctx, row: VlanRange, *, start: str | None, end: str | None) -> VlanRange:
    """Give a public range other ends.

    Raises:
        Refused: it is a range of guests, or overlaps another.
        BadParameter: an end is not in the subnet.
        InUse: somebody has an address that would go.
    """
    if not row.for_virtual_network:
        raise Refused(
            "Only public ranges can be changed; give the network another one with createVlanIpRange"
        )
    alone(ctx.s)
    found = span(subnet(row.gateway, row.netmask), start or row.start_ip, end or row.end_ip)
    others = select(VlanRange).where(
        VlanRange.zone_id == row.zone_id, VlanRange.vlan == row.vlan, VlanRange.id != row.id, live(VlanRange)
    )
    for other in ctx.s.scalars(others):
        if found.overlaps(Span(IPv4Address(other.start_ip), IPv4Address(other.end_ip))):
            raise Refused(f"{found.first} to {found.last} overlaps {other.start_ip} to {other.end_ip}")
    _take_away(ctx, row, found)
    write_down(ctx, row, found)
    row.start_ip, row.end_ip = str(found.first), str(found.last)
    ctx.note("VLAN.IP.RANGE.UPDATE", f"Range is {row.start_ip} to {row.end_ip} now", row)
    return row


def delete(ctx: Ctx, row: VlanRange) -> None:
    """Remove a range of which nobody has an address.

    Raises:
        InUse: somebody has one.
    """
    alone(ctx.s)
    if row.for_virtual_network:
        _take_away(ctx, row, None)
    else:
        taken = select(GuestAddress.ip).where(
            GuestAddress.range_id == row.id, GuestAddress.nic_id.is_not(None)
        )
        ip = ctx.s.scalars(taken.limit(1)).first()
        if ip is not None:
            raise InUse(f"Range {row.start_ip} to {row.end_ip}", f"a NIC has address {ip}")
        ctx.s.query(GuestAddress).filter_by(range_id=row.id).delete()
    row.removed_s = ctx.now_s
    ctx.note("VLAN.IP.RANGE.DELETE", f"Range {row.start_ip} to {row.end_ip} deleted", row)


def dedicate(ctx: Ctx, row: VlanRange, domain: Domain, account: Account | None) -> VlanRange:
    """Let only an account, or only a domain, have addresses of a public range.

    Raises:
        Refused: it is a range of guests, or dedicated already.
        InUse: somebody else has one of its addresses.
    """
    if not row.for_virtual_network:
        raise Refused("Only public ranges can be dedicated")
    if row.domain_id is not None:
        raise Refused(f"Range {row.start_ip} to {row.end_ip} is dedicated already; release it first")
    alone(ctx.s)
    held = select(PublicAddress).where(
        PublicAddress.range_id == row.id, PublicAddress.account_id.is_not(None)
    )
    for address in ctx.s.scalars(held):
        if address.domain_id != domain.id or (account and address.account_id != account.id):
            raise InUse(f"Range {row.start_ip} to {row.end_ip}", f"somebody else has address {address.ip}")
    row.account_id, row.domain_id = account.id if account else None, domain.id
    ctx.note("VLAN.IP.RANGE.DEDICATE", f"Range {row.start_ip} to {row.end_ip} is of {domain.name}", row)
    return row


def release(ctx: Ctx, row: VlanRange) -> None:
    """Let everybody have addresses of a range again.

    Raises:
        Refused: it is not dedicated.
    """
    if row.domain_id is None:
        raise Refused(f"Range {row.start_ip} to {row.end_ip} is not dedicated")
    row.account_id = row.domain_id = None
    ctx.note("VLAN.IP.RANGE.RELEASE", f"Range {row.start_ip} to {row.end_ip} is everybody's", row)
