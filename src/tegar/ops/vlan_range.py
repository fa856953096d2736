"""Ranges of addresses that an operator gives."""

from __future__ import annotations

from ipaddress import IPv4Address

from sqlalchemy import insert, select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model.network import State
from tegar.model.span import Span, Subnet, span, subnet
from tegar.ops import public_range
from tegar.ops.ctx import Ctx
from tegar.store.networks import GuestAddress, Network, VlanRange
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork, Zone


def give(ctx: Ctx, network: Network, within: Subnet, found: Span) -> VlanRange:
    """Give a network a range and write all its addresses down.

    Raises:
        Refused: it overlaps another range of the network.
    """
    _must_be_free(ctx, found, select(VlanRange).where(VlanRange.network_id == network.id, live(VlanRange)))
    row = VlanRange(
        zone_id=network.zone_id,
        physical_network_id=network.physical_network_id,
        network_id=network.id,
        for_virtual_network=False,
        vlan=network.vlan,
        gateway=str(within.gateway),
        netmask=within.netmask,
        start_ip=str(found.first),
        end_ip=str(found.last),
    )
    ctx.s.add(row)
    ctx.s.flush()
    rows = [
        {"network_id": network.id, "range_id": row.id, "ip": ip, "nic_id": None} for ip in found.addresses()
    ]
    ctx.s.execute(insert(GuestAddress), rows)
    return row


def _must_be_free(ctx: Ctx, found: Span, others: object) -> None:
    for other in ctx.s.scalars(others):  # type: ignore[call-overload]
        theirs = Span(IPv4Address(other.start_ip), IPv4Address(other.end_ip))
        if found.overlaps(theirs):
            raise Refused(
                f"The range {found.first} to {found.last} overlaps {theirs.first} to {theirs.last}, "
                "which was given before"
            )


def add_to_network(
    ctx: Ctx, network: Network, *, gateway: str | None, netmask: str | None, start: str, end: str | None
) -> VlanRange:
    """Give a shared network another range of its subnet.

    Raises:
        Refused: another subnet, or it overlaps.
        BadParameter: it is not in the subnet.
    """
    alone(ctx.s)
    if network.guest_type != "Shared":
        raise Refused(f"Network {network.name} is {network.guest_type}: only shared networks have ranges")
    if network.state not in (State.SETUP, State.IMPLEMENTED):
        raise Refused(f"Network {network.name} is being deleted")
    within = subnet(network.gateway, network.netmask)
    if (gateway and gateway != network.gateway) or (netmask and netmask != network.netmask):
        raise Refused(
            f"Network {network.name} has gateway {network.gateway} and netmask {network.netmask}; "
            "a network has one subnet in this release: leave them out"
        )
    row = give(ctx, network, within, span(within, start, end))
    ctx.note("VLAN.IP.RANGE.CREATE", f"Range {row.start_ip} to {row.end_ip} given to {network.name}", row)
    return row


def add_public(
    ctx: Ctx,
    zone: Zone,
    physical: PhysicalNetwork | None,
    *,
    vlan: str,
    gateway: str,
    netmask: str,
    start: str,
    end: str | None,
) -> VlanRange:
    """Keep a range of public addresses of a zone.

    Raises:
        Refused: it overlaps another on its VLAN, or the physical network is of another zone.
        BadParameter: it is not in the subnet.
    """
    if physical is not None and physical.zone_id != zone.id:
        raise Refused(f"Physical network {physical.name} is not in zone {zone.name}")
    within = subnet(gateway, netmask)
    found = span(within, start, end)
    alone(ctx.s)
    same = select(VlanRange).where(VlanRange.zone_id == zone.id, VlanRange.vlan == vlan, live(VlanRange))
    _must_be_free(ctx, found, same)
    row = VlanRange(
        zone_id=zone.id,
        physical_network_id=physical.id if physical else None,
        for_virtual_network=True,
        vlan=vlan,
        gateway=str(within.gateway),
        netmask=within.netmask,
        start_ip=str(found.first),
        end_ip=str(found.last),
    )
    ctx.s.add(row)
    ctx.s.flush()
    public_range.write_down(ctx, row, found)
    ctx.note("VLAN.IP.RANGE.CREATE", f"Public range {row.start_ip} to {row.end_ip} of {zone.name}", row)
    return row
