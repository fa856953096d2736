"""Private gateways and static routes, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load, path_of, uuid_of
from tegar.model import vlan
from tegar.model.rule import RuleState
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.acls import NetworkAclList
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone

STATES = {RuleState.ADD: "Creating", RuleState.ACTIVE: "Ready", RuleState.REVOKE: "Deleting"}


class PrivateGatewayView(TypedDict, total=False):
    """A private gateway; its wires are shown to administrators."""

    id: str
    ipaddress: str
    gateway: str
    netmask: str
    vlan: str | None
    physicalnetworkid: str | None
    sourcenatsupported: bool
    state: str
    vpcid: str
    vpcname: str
    aclid: str | None
    aclname: str | None
    account: str
    domain: str
    domainid: str
    domainpath: str
    zoneid: str
    zonename: str


class StaticRouteView(TypedDict, total=False):
    """A static route."""

    id: str
    cidr: str
    nexthop: str
    vpcid: str
    vpcgatewayid: str | None
    vpcgatewayip: str | None
    state: str
    account: str
    domain: str
    domainid: str
    domainpath: str
    tags: list[dict[str, Any]]


def private_gateways(ctx: Ctx, rows: Sequence[PrivateGateway]) -> list[PrivateGatewayView]:
    """Return private gateways with their owners and places."""
    vpcs = load(ctx.s, Vpc, (r.vpc_id for r in rows))
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    lists = load(ctx.s, NetworkAclList, (r.acl_list_id for r in rows))
    physical = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    return [
        {
            "id": r.uuid,
            "ipaddress": r.ip,
            "gateway": r.gateway,
            "netmask": r.netmask,
            "vlan": vlan.uri(r.vlan) if ctx.is_admin else None,
            "physicalnetworkid": physical[r.physical_network_id].uuid if ctx.is_admin else None,
            "sourcenatsupported": r.source_nat,
            "state": STATES[r.state],
            "vpcid": vpcs[r.vpc_id].uuid,
            "vpcname": vpcs[r.vpc_id].name,
            "aclid": uuid_of(lists, r.acl_list_id),
            "aclname": lists[r.acl_list_id].name if r.acl_list_id is not None else None,
            "account": accounts[r.account_id].name,
            "domain": domains[r.domain_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domainpath": path_of(domains[r.domain_id]),
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
        }
        for r in rows
    ]


def static_routes(ctx: Ctx, rows: Sequence[StaticRoute]) -> list[StaticRouteView]:
    """Return static routes with their VPCs and gateways."""
    vpcs = load(ctx.s, Vpc, (r.vpc_id for r in rows))
    gateways = load(ctx.s, PrivateGateway, (r.gateway_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    return [
        {
            "id": r.uuid,
            "cidr": r.cidr,
            "nexthop": r.next_hop,
            "vpcid": vpcs[r.vpc_id].uuid,
            "vpcgatewayid": uuid_of(gateways, r.gateway_id),
            "vpcgatewayip": gateways[r.gateway_id].ip if r.gateway_id is not None else None,
            "state": r.state.value,
            "account": accounts[r.account_id].name,
            "domain": domains[r.domain_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domainpath": path_of(domains[r.domain_id]),
            "tags": [],
        }
        for r in rows
    ]
