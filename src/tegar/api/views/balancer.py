"""Load balancers and their policies, as the API shows them: ports are text in the protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load, path_of
from tegar.api.views.firewall import ANYWHERE
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.networks import Network
from tegar.store.zones import Zone


class LoadBalancerView(TypedDict, total=False):
    """A load balancer."""

    id: str
    name: str
    description: str
    algorithm: str
    protocol: str
    publicipid: str
    publicip: str
    publicport: str
    privateport: str
    cidrlist: str
    networkid: str
    account: str
    domainid: str
    domain: str
    domainpath: str
    zoneid: str
    zonename: str
    state: str
    fordisplay: bool
    tags: list[dict[str, Any]]


def load_balancers(ctx: Ctx, rows: Sequence[LoadBalancer]) -> list[LoadBalancerView]:
    """Return load balancers with their addresses and owners."""
    addresses = load(ctx.s, PublicAddress, (r.address_id for r in rows))
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    zones = load(ctx.s, Zone, (n.zone_id for n in networks.values()))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "description": r.description,
            "algorithm": r.algorithm,
            "protocol": r.protocol,
            "publicipid": addresses[r.address_id].uuid,
            "publicip": addresses[r.address_id].ip,
            "publicport": str(r.public_port),
            "privateport": str(r.private_port),
            "cidrlist": r.cidrs or ANYWHERE,
            "networkid": networks[r.network_id].uuid,
            "account": accounts[r.account_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domain": domains[r.domain_id].name,
            "domainpath": path_of(domains[r.domain_id]),
            "zoneid": zones[networks[r.network_id].zone_id].uuid,
            "zonename": zones[networks[r.network_id].zone_id].name,
            "state": r.state.value,
            "fordisplay": r.shown,
            "tags": [],
        }
        for r in rows
    ]


class InstanceView(TypedDict, total=False):
    """A VM behind a load balancer, and by which of its addresses."""

    loadbalancerruleinstance: dict[str, Any]
    lbvmipaddresses: list[str]


class OneStickinessView(TypedDict, total=False):
    """How clients stick."""

    id: str
    name: str
    description: str
    methodname: str
    params: dict[str, str]
    state: str
    fordisplay: bool


class StickinessView(TypedDict, total=False):
    """The policy of a load balancer by which clients stick, as the protocol wraps it."""

    lbruleid: str
    name: str
    description: str
    account: str
    domainid: str
    domain: str
    state: str
    zoneid: str
    stickinesspolicy: list[OneStickinessView]


class OneHealthView(TypedDict, total=False):
    """How members are checked; the protocol's names are spelled so."""

    id: str
    description: str
    pingpath: str
    healthcheckinterval: int
    responsetime: int
    healthcheckthresshold: int
    unhealthcheckthresshold: int
    state: str
    fordisplay: bool


class HealthView(TypedDict, total=False):
    """The policy of a load balancer by which members are checked, as the protocol wraps it."""

    lbruleid: str
    account: str
    domainid: str
    domain: str
    zoneid: str
    healthcheckpolicy: list[OneHealthView]


class _Owners:
    """What policies show of the load balancers that they are of."""

    def __init__(self, ctx: Ctx, rows: Sequence[StickinessPolicy | HealthPolicy]) -> None:
        self.balancers = load(ctx.s, LoadBalancer, (r.balancer_id for r in rows))
        self.networks = load(ctx.s, Network, (b.network_id for b in self.balancers.values()))
        self.zones = load(ctx.s, Zone, (n.zone_id for n in self.networks.values()))
        self.accounts = load(ctx.s, Account, (r.account_id for r in rows))
        self.domains = load(ctx.s, Domain, (r.domain_id for r in rows))

    def of(self, r: StickinessPolicy | HealthPolicy) -> HealthView:
        """Return it for one policy."""
        balancer = self.balancers[r.balancer_id]
        return {
            "lbruleid": balancer.uuid,
            "account": self.accounts[r.account_id].name,
            "domainid": self.domains[r.domain_id].uuid,
            "domain": self.domains[r.domain_id].name,
            "zoneid": self.zones[self.networks[balancer.network_id].zone_id].uuid,
        }


def stickiness_policies(ctx: Ctx, rows: Sequence[StickinessPolicy]) -> list[StickinessView]:
    """Return policies of stickiness."""
    owners = _Owners(ctx, rows)
    views: list[StickinessView] = []
    for r in rows:
        one: OneStickinessView = {
            "id": r.uuid, "name": r.name, "description": r.description, "methodname": r.method,
            "params": json.loads(r.params), "state": r.state.value, "fordisplay": r.shown,
        }  # fmt: skip
        of = owners.of(r)
        views.append(
            {
                "lbruleid": of["lbruleid"],
                "account": of["account"],
                "domainid": of["domainid"],
                "domain": of["domain"],
                "zoneid": of["zoneid"],
                "name": r.name,
                "description": r.description,
                "state": r.state.value,
                "stickinesspolicy": [one],
            }
        )
    return views


def health_policies(ctx: Ctx, rows: Sequence[HealthPolicy]) -> list[HealthView]:
    """Return policies of health checks."""
    owners = _Owners(ctx, rows)
    views: list[HealthView] = []
    for r in rows:
        view = owners.of(r)
        view["healthcheckpolicy"] = [
            {
                "id": r.uuid, "description": r.description, "pingpath": r.path, "healthcheckinterval": r.interval_s,
                "responsetime": r.timeout_s, "healthcheckthresshold": r.healthy,
                "unhealthcheckthresshold": r.unhealthy, "state": r.state.value, "fordisplay": r.shown,
            }
        ]  # fmt: skip
        views.append(view)
    return views
