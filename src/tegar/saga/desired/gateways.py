"""Ways out of a VPC besides the public ones: private gateways, and static routes."""

from __future__ import annotations

import ipaddress

from sqlalchemy.orm import Session

from tegar.model.router import UplinkSpec
from tegar.model.rule import StaticRoute
from tegar.model.spec import NetworkSpec
from tegar.saga.desired import acl
from tegar.store import gateways, vpcs
from tegar.store.gateways import PrivateGateway


def uplinks(s: Session, group_id: int) -> tuple[UplinkSpec, ...]:
    """Return the private gateways of the VPC that a group serves; they never are the default route."""
    vpc = vpcs.of_group(s, group_id)
    return tuple(_uplink(s, gateway) for gateway in gateways.of_vpc(s, vpc.id)) if vpc else ()


def routes(s: Session, group_id: int) -> tuple[StaticRoute, ...]:
    """Return the static routes of the VPC that a group serves."""
    vpc = vpcs.of_group(s, group_id)
    return tuple(StaticRoute(r.cidr, r.next_hop) for r in gateways.routes(s, vpc.id)) if vpc else ()


def _uplink(s: Session, gateway: PrivateGateway) -> UplinkSpec:
    tag = int(gateway.vlan) if gateway.vlan.isdigit() else None
    return UplinkSpec(
        network=NetworkSpec(gateway.uuid, gateway.bridge, vlan=tag),
        mac=mac_of(gateway.id),
        addresses=(gateway.ip,),
        prefix_len=ipaddress.ip_network(f"0.0.0.0/{gateway.netmask}").prefixlen,
        gateway=gateway.gateway,
        source_nat=gateway.ip if gateway.source_nat else "",
        private=True,
        acl=acl.of(s, gateway.acl_list_id),
    )


def mac_of(gateway_id: int) -> str:
    """Return the MAC of a private gateway: both routers of a pair answer by the same."""
    raw = (0x0A00 << 32 | gateway_id & 0xFFFFFFFF).to_bytes(6, "big")
    return ":".join(f"{b:02x}" for b in raw)
