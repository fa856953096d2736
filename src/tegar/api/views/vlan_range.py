"""Ranges of addresses, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load, path_of, uuid_of
from tegar.model import vlan
from tegar.model.span import subnet
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network, VlanRange
from tegar.store.zones import PhysicalNetwork, Zone


class VlanRangeView(TypedDict, total=False):
    """A range of addresses; ``vlan`` is ``vlan://untagged`` or ``vlan://100``."""

    id: str
    zoneid: str
    physicalnetworkid: str | None
    networkid: str | None
    forvirtualnetwork: bool
    forsystemvms: bool
    vlan: str
    gateway: str
    netmask: str
    cidr: str
    startip: str
    endip: str
    account: str | None
    domainid: str | None
    domain: str | None
    domainpath: str | None


def vlan_ranges(ctx: Ctx, rows: Sequence[VlanRange]) -> list[VlanRangeView]:
    """Return ranges with what they belong to."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    physical = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    return [
        {
            "id": r.uuid,
            "zoneid": zones[r.zone_id].uuid,
            "physicalnetworkid": uuid_of(physical, r.physical_network_id),
            "networkid": uuid_of(networks, r.network_id),
            "forvirtualnetwork": r.for_virtual_network,
            "forsystemvms": False,
            "vlan": vlan.uri(r.vlan),
            "gateway": r.gateway,
            "netmask": r.netmask,
            "cidr": str(subnet(r.gateway, r.netmask).network),
            "startip": r.start_ip,
            "endip": r.end_ip,
            "account": accounts[r.account_id].name if r.account_id is not None else None,
            "domainid": uuid_of(domains, r.domain_id),
            "domain": domains[r.domain_id].name if r.domain_id is not None else None,
            "domainpath": path_of(domains[r.domain_id]) if r.domain_id is not None else None,
        }
        for r in rows
    ]
