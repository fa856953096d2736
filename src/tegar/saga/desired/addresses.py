"""The ways out of a group of routers: its public addresses, by the segments that they are on."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model import vlan
from tegar.model.network import Traffic
from tegar.model.router import UplinkSpec
from tegar.model.spec import NetworkSpec
from tegar.store.addresses import PublicAddress
from tegar.store.networks import VlanRange
from tegar.store.zones import PhysicalNetwork, TrafficType

NO_LABEL = "cloudbr0"

Way = tuple[
    int, str, str, str
]  # zone, VLAN, gateway, netmask: what ranges that lead the same way have in common


def uplinks(s: Session, group_id: int, held: Sequence[PublicAddress]) -> tuple[UplinkSpec, ...]:
    """Return one uplink for each segment and gateway; first the one that guests go out by."""
    ranges = {
        r.id: r for r in s.scalars(select(VlanRange).where(VlanRange.id.in_({a.range_id for a in held})))
    }
    ways: dict[Way, list[PublicAddress]] = defaultdict(list)
    for address in held:
        ways[_way(ranges[address.range_id])].append(address)
    found = [
        (not any(a.source_nat for a in mine), first.id, _uplink(s, group_id, first, mine))
        for way, mine in ways.items()
        for first in [_first(s, way)]
    ]
    return tuple(spec for _, _, spec in sorted(found, key=lambda entry: entry[:2]))


def _way(range: VlanRange) -> Way:
    return range.zone_id, range.vlan, range.gateway, range.netmask


def _first(s: Session, way: Way) -> VlanRange:
    """Return the oldest range that leads that way: it names the segment, whichever ranges are in use."""
    zone_id, tag, gateway, netmask = way
    oldest = select(func.min(VlanRange.id)).where(
        VlanRange.zone_id == zone_id, VlanRange.for_virtual_network.is_(True), VlanRange.vlan == tag,
        VlanRange.gateway == gateway, VlanRange.netmask == netmask, live(VlanRange),
    )  # fmt: skip
    return s.get_one(VlanRange, s.scalar(oldest))


def _uplink(s: Session, group_id: int, first: VlanRange, mine: Iterable[PublicAddress]) -> UplinkSpec:
    out = [a for a in mine if a.source_nat]
    rest = [a for a in mine if not a.source_nat]
    return UplinkSpec(
        network=NetworkSpec(first.uuid, _bridge(s, first), vlan=vlan.tag(first.vlan)),
        mac=mac_of(group_id, first.id),
        addresses=tuple(a.ip for a in (*out, *rest)),
        prefix_len=ipaddress.ip_network(f"0.0.0.0/{first.netmask}").prefixlen,
        gateway=first.gateway,
        source_nat=out[0].ip if out else "",
    )


def _bridge(s: Session, range: VlanRange) -> str:
    """Return the bridge that carries public traffic: of the range's physical network, else of the zone's first."""
    stmt = (
        select(TrafficType.kvm_label)
        .join(PhysicalNetwork, PhysicalNetwork.id == TrafficType.physical_network_id)
        .where(TrafficType.traffic == Traffic.PUBLIC, live(TrafficType), live(PhysicalNetwork))
        .where(PhysicalNetwork.zone_id == range.zone_id)
        .order_by(PhysicalNetwork.id)
    )
    if range.physical_network_id is not None:
        own = s.scalars(stmt.where(PhysicalNetwork.id == range.physical_network_id)).first()
        if own is not None:
            return own
    return s.scalars(stmt).first() or NO_LABEL


def mac_of(group_id: int, range_id: int) -> str:
    """Return the MAC of an uplink: of the group, so that both routers of a pair answer by the same."""
    raw = (0x06 << 40 | (range_id & 0xFF) << 32 | group_id & 0xFFFFFFFF).to_bytes(6, "big")
    return ":".join(f"{b:02x}" for b in raw)
