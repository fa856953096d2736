"""The network offerings that every cloud has; names and services as operators know them."""

from __future__ import annotations

import json
from typing import Any

from tegar.store.offerings import NetworkOffering
from tegar.store.stock import stock_uuid

SHARED = "DefaultSharedNetworkOffering"
ISOLATED = "DefaultIsolatedNetworkOfferingWithSourceNatService"

BASIC = ("Dhcp", "Dns", "UserData")
NAT = (*BASIC, "SourceNat", "StaticNat", "PortForwarding", "Firewall", "Lb", "Vpn")
TIER = (*BASIC, "SourceNat", "StaticNat", "PortForwarding", "NetworkACL", "Lb", "Vpn")


def _by(provider: str, services: tuple[str, ...], **others: str) -> str:
    return ",".join(f"{name}={others.get(name, provider)}" for name in services)


def _shared(text: str, services: str) -> dict[str, Any]:
    return {
        "display_text": text, "guest_type": "Shared", "services": services,
        "specify_vlan": True, "specify_ip_ranges": True,
    }  # fmt: skip


def _isolated(text: str, services: str, **more: Any) -> dict[str, Any]:
    return {
        "display_text": text, "guest_type": "Isolated", "services": services, "egress_allowed": False, **more,
    }  # fmt: skip


def _tier(text: str, services: str, **more: Any) -> dict[str, Any]:
    return _isolated(text, services, for_vpc=True, conserve_mode=False, **more) | {"egress_allowed": True}


def _l2(text: str, **more: Any) -> dict[str, Any]:
    return {"display_text": text, "guest_type": "L2", "services": "", **more}


STOCK: dict[str, dict[str, Any]] = {
    SHARED: _shared(
        "Shared networks: addresses, names and user data by the virtual router", _by("VirtualRouter", BASIC)
    ),
    "DefaultSharedNetworkOfferingWithSGService": _shared(
        "Shared networks with security groups",
        _by("VirtualRouter", (*BASIC, "SecurityGroup"), SecurityGroup="SecurityGroupProvider"),
    ),
    ISOLATED: _isolated(
        "Isolated networks with source NAT", _by("VirtualRouter", NAT), availability="Required"
    ),
    "DefaultRedundantIsolatedNetworkOfferingWithSourceNatService": _isolated(
        "Isolated networks with source NAT and a pair of routers", _by("VirtualRouter", NAT),
        redundant=True,
        details=json.dumps({"SourceNat": {"RedundantRouter": "true"}}),
    ),
    "DefaultIsolatedNetworkOffering": _isolated(
        "Isolated networks without a way out", _by("VirtualRouter", BASIC), specify_vlan=True,
        specify_ip_ranges=True,
    ),
    "DefaultIsolatedNetworkOfferingForVpcNetworks": _tier(
        "Tiers of VPCs", _by("VpcVirtualRouter", TIER)
    ),
    "DefaultIsolatedNetworkOfferingForVpcNetworksNoLB": _tier(
        "Tiers of VPCs without load balancing",
        _by("VpcVirtualRouter", tuple(name for name in TIER if name != "Lb")),
    ),
    "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB": _tier(
        "Tiers of VPCs with load balancing inside", _by("VpcVirtualRouter", TIER, Lb="InternalLbVm"),
        internal_lb=True,
    ),
    "DefaultL2NetworkOffering": _l2("A segment and nothing else"),
    "DefaultL2NetworkOfferingVlan": _l2("A segment that an operator chose, and nothing else", specify_vlan=True),
}  # fmt: skip


def stock(name: str) -> NetworkOffering:
    """Return a stock offering, not yet written."""
    return NetworkOffering(
        uuid=stock_uuid(NetworkOffering, name), name=name, state="Enabled", is_default=True, **STOCK[name]
    )
