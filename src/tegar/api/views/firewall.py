"""Firewall rules, as the API shows them: ports are numbers here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load
from tegar.ops.ctx import Ctx
from tegar.store.addresses import PublicAddress
from tegar.store.firewall import FirewallRule
from tegar.store.networks import Network

ANYWHERE = "0.0.0.0/0"


class FirewallRuleView(TypedDict, total=False):
    """A rule of an address (``traffictype`` Ingress) or of a network (Egress)."""

    id: str
    protocol: str
    startport: int | None
    endport: int | None
    icmptype: int | None
    icmpcode: int | None
    cidrlist: str
    destcidrlist: str | None
    ipaddressid: str | None
    ipaddress: str | None
    networkid: str
    state: str
    traffictype: str
    fordisplay: bool
    tags: list[dict[str, Any]]


def firewall_rules(ctx: Ctx, rows: Sequence[FirewallRule]) -> list[FirewallRuleView]:
    """Return rules with what they are of."""
    addresses = load(ctx.s, PublicAddress, (r.address_id for r in rows))
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    views: list[FirewallRuleView] = []
    for r in rows:
        outward = r.address_id is None
        address = addresses[r.address_id] if r.address_id is not None else None
        all_of_it = networks[r.network_id].cidr if outward else ANYWHERE
        views.append(
            {
                "id": r.uuid,
                "protocol": r.protocol.value,
                "startport": r.first_port,
                "endport": r.last_port,
                "icmptype": r.icmp_type,
                "icmpcode": r.icmp_code,
                "cidrlist": r.cidrs or all_of_it,
                "destcidrlist": (r.destinations or ANYWHERE) if outward else None,
                "ipaddressid": address.uuid if address else None,
                "ipaddress": address.ip if address else None,
                "networkid": networks[r.network_id].uuid,
                "state": r.state.value,
                "traffictype": "Egress" if outward else "Ingress",
                "fordisplay": r.shown,
                "tags": [],
            }
        )
    return views
