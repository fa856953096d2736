"""Load balancers inside of tiers, as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import select

from tegar.api.views.base import date, load, path_of
from tegar.kernel.db import live
from tegar.model.router import Role
from tegar.model.rule import RuleState
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.hosts import Host
from tegar.store.internal_balancers import InternalBalancer, InternalLb, InternalMember
from tegar.store.networks import Network, Nic
from tegar.store.routers import Router
from tegar.store.vms import Vm
from tegar.store.vpcs import Vpc
from tegar.store.zones import Zone


class LoadBalancerRuleView(TypedDict, total=False):
    """The ports of a balancer."""

    sourceport: int
    instanceport: int
    state: str


class LoadBalancerInstanceView(TypedDict, total=False):
    """A VM behind a balancer."""

    id: str
    name: str
    state: str
    ipaddress: str


class LoadBalancerView(TypedDict, total=False):
    """A balancer inside of a tier."""

    id: str
    name: str
    description: str | None
    algorithm: str
    networkid: str
    sourceipaddress: str
    sourceipaddressnetworkid: str
    loadbalancerrule: list[LoadBalancerRuleView]
    loadbalancerinstance: list[LoadBalancerInstanceView]
    account: str
    domain: str
    domainid: str
    domainpath: str
    fordisplay: bool
    tags: list[dict[str, Any]]


class InternalLbView(TypedDict, total=False):
    """An address at which a VPC's routers balance; the host is that of the router that does it."""

    id: str
    name: str
    state: str
    role: str
    guestipaddress: str
    guestmacaddress: str
    guestnetworkid: str
    guestnetworkname: str
    gateway: str
    guestnetmask: str
    networkdomain: str
    hostid: str | None
    hostname: str | None
    vpcid: str | None
    vpcname: str | None
    zoneid: str
    zonename: str
    account: str
    domain: str
    domainid: str
    domainpath: str
    isredundantrouter: bool
    requiresupgrade: bool
    created: str | None


def load_balancers(ctx: Ctx, rows: Sequence[InternalBalancer]) -> list[LoadBalancerView]:
    """Return balancers with their ports and who is behind them."""
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    lbs = load(ctx.s, InternalLb, (r.lb_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    behind = _members(ctx, [r.id for r in rows])
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "description": r.description,
            "algorithm": r.algorithm,
            "networkid": networks[r.network_id].uuid,
            "sourceipaddress": lbs[r.lb_id].ip,
            "sourceipaddressnetworkid": networks[r.network_id].uuid,
            "loadbalancerrule": [
                {"sourceport": r.port, "instanceport": r.instance_port, "state": r.state.value}
            ],
            "loadbalancerinstance": behind[r.id],
            "account": accounts[r.account_id].name,
            "domain": domains[r.domain_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domainpath": path_of(domains[r.domain_id]),
            "fordisplay": r.shown,
            "tags": [],
        }
        for r in rows
    ]


def _members(ctx: Ctx, ids: list[int]) -> dict[int, list[LoadBalancerInstanceView]]:
    row = InternalMember
    stmt = (
        select(row.balancer_id, Vm, Nic.ip)
        .join(Vm, Vm.id == row.vm_id)
        .join(Nic, Nic.id == row.nic_id)
        .where(row.balancer_id.in_(ids), row.state != RuleState.REVOKE, live(row), live(Nic))
    )
    found: dict[int, list[LoadBalancerInstanceView]] = defaultdict(list)
    for balancer_id, vm, ip in ctx.s.execute(stmt.order_by(row.id)):
        found[balancer_id].append(
            {"id": vm.uuid, "name": vm.display_name, "state": vm.state.value, "ipaddress": ip}
        )
    return found


def internal_lbs(ctx: Ctx, rows: Sequence[InternalLb]) -> list[InternalLbView]:
    """Return instances with their tiers and the hosts of the routers that serve them."""
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    nics = load(ctx.s, Nic, (r.nic_id for r in rows))
    vpcs = load(ctx.s, Vpc, (n.vpc_id for n in networks.values()))
    zones = load(ctx.s, Zone, (n.zone_id for n in networks.values()))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    hosts = _hosts(ctx, [n.group_id for n in networks.values() if n.group_id])
    views: list[InternalLbView] = []
    for r in rows:
        network = networks[r.network_id]
        host, zone, vpc = (
            hosts.get(network.group_id or 0),
            zones[network.zone_id],
            vpcs.get(network.vpc_id or 0),
        )
        views.append(
            {
                "id": r.uuid,
                "name": f"b-{r.id}-VM",
                "state": "Running" if host is not None and not r.stopped else "Stopped",
                "role": "INTERNAL_LB_VM",
                "guestipaddress": r.ip,
                "guestmacaddress": nics[r.nic_id].mac,
                "guestnetworkid": network.uuid,
                "guestnetworkname": network.name,
                "gateway": network.gateway,
                "guestnetmask": network.netmask,
                "networkdomain": network.network_domain,
                "hostid": host.uuid if host else None,
                "hostname": host.name if host else None,
                "vpcid": vpc.uuid if vpc else None,
                "vpcname": vpc.name if vpc else None,
                "zoneid": zone.uuid,
                "zonename": zone.name,
                "account": accounts[r.account_id].name,
                "domain": domains[r.domain_id].name,
                "domainid": domains[r.domain_id].uuid,
                "domainpath": path_of(domains[r.domain_id]),
                "isredundantrouter": False,
                "requiresupgrade": False,
                "created": date(r.created_s),
            }
        )
    return views


def _hosts(ctx: Ctx, group_ids: list[int]) -> dict[int, Host]:
    """Return the host of each group's primary router, or of its first."""
    stmt = (
        select(Router, Host)
        .join(Host, Host.id == Router.host_id)
        .where(Router.group_id.in_(group_ids), live(Router), live(Host))
    )
    found = sorted(
        ctx.s.execute(stmt), key=lambda pair: (pair[0].role != Role.PRIMARY.value, pair[0].position)
    )
    hosts: dict[int, Host] = {}
    for router, host in found:
        hosts.setdefault(router.group_id, host)
    return hosts
