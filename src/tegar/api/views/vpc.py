"""VPCs, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import select

from tegar.api.views.base import date, load, path_of
from tegar.api.views.network import NetworkView, networks
from tegar.api.views.network_offering import ServiceView, listed
from tegar.kernel.db import live
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network
from tegar.store.routers import RouterGroup
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import Zone


class VpcView(TypedDict, total=False):
    """A VPC with its tiers."""

    id: str
    name: str
    displaytext: str
    state: str
    cidr: str
    account: str
    domain: str
    domainid: str
    domainpath: str
    zoneid: str
    zonename: str
    vpcofferingid: str
    vpcofferingname: str
    networkdomain: str
    dns1: str | None
    dns2: str | None
    service: list[ServiceView]
    network: list[NetworkView]
    redundantvpcrouter: bool
    distributedvpcrouter: bool
    regionlevelvpc: bool
    restartrequired: bool
    fordisplay: bool
    created: str | None
    tags: list[dict[str, Any]]


def vpcs(ctx: Ctx, rows: Sequence[Vpc]) -> list[VpcView]:
    """Return VPCs with owners, places, services and tiers."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    offerings = load(ctx.s, VpcOffering, (r.offering_id for r in rows))
    groups = select(RouterGroup).where(RouterGroup.id.in_([r.group_id for r in rows]))
    pairs = {group.id: group.redundant for group in ctx.s.scalars(groups)}
    found = (
        select(Network).where(Network.vpc_id.in_([r.id for r in rows]), live(Network)).order_by(Network.id)
    )
    tiers = ctx.s.scalars(found).all()
    shown = dict(zip((t.id for t in tiers), networks(ctx, tiers), strict=True))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "displaytext": r.display_text,
            "state": r.state.value,
            "cidr": r.cidr,
            "account": accounts[r.account_id].name,
            "domain": domains[r.domain_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domainpath": path_of(domains[r.domain_id]),
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
            "vpcofferingid": offerings[r.offering_id].uuid,
            "vpcofferingname": offerings[r.offering_id].name,
            "networkdomain": r.network_domain,
            "dns1": r.dns1,
            "dns2": r.dns2,
            "service": listed(offerings[r.offering_id].services, {}),
            "network": [shown[t.id] for t in tiers if t.vpc_id == r.id],
            "redundantvpcrouter": pairs[r.group_id],
            "distributedvpcrouter": False,
            "regionlevelvpc": False,
            "restartrequired": False,
            "fordisplay": r.shown,
            "created": date(r.created_s),
            "tags": [],
        }
        for r in rows
    ]
