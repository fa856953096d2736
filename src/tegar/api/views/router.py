"""Virtual routers, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import select

from tegar import __version__
from tegar.api.views.base import date, load, path_of
from tegar.kernel.db import live
from tegar.model.host import State as HostState
from tegar.ops.ctx import Ctx
from tegar.ops.router import name
from tegar.store import addresses
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic, VlanRange
from tegar.store.routers import Router, RouterGroup
from tegar.store.zones import Pod, Zone


class HealthView(TypedDict, total=False):
    """One check of a router."""

    checkname: str
    checktype: str
    success: bool
    lastupdated: str | None
    details: str


class RouterNicView(TypedDict, total=False):
    """An interface of a router."""

    id: str | None
    networkid: str | None
    networkname: str | None
    macaddress: str | None
    ipaddress: str
    netmask: str
    gateway: str
    traffictype: str
    isdefault: bool


class RouterView(TypedDict, total=False):
    """A virtual router: a namespace on a host, not a VM, so it has no template and no offering."""

    id: str
    name: str
    state: str
    role: str
    isredundantrouter: bool
    redundantstate: str
    account: str | None
    domain: str
    domainid: str
    domainpath: str
    zoneid: str
    zonename: str
    podid: str | None
    podname: str | None
    hostid: str | None
    hostname: str | None
    hostcontrolstate: str | None
    hypervisor: str | None
    guestnetworkid: str | None
    guestnetworkname: str | None
    guestipaddress: str | None
    guestmacaddress: str | None
    guestnetmask: str | None
    gateway: str | None
    publicip: str | None
    publicnetmask: str | None
    networkdomain: str | None
    dns1: str | None
    dns2: str | None
    version: str
    softwareversion: str | None
    requiresupgrade: bool
    healthchecksfailed: bool
    healthcheckresults: list[HealthView]
    nic: list[RouterNicView]
    created: str | None


class HealthChecksView(TypedDict):
    """All checks of a router."""

    routerid: str
    healthchecks: list[HealthView]


def routers(ctx: Ctx, rows: Sequence[Router]) -> list[RouterView]:
    """Return routers with what they serve and where they run; hosts only for admins."""
    served = _served(ctx, rows)
    first = {group_id: found[0] for group_id, found in served.items()}
    groups = {g.id: g for g in ctx.s.scalars(select(RouterGroup).where(RouterGroup.id.in_(served)))}
    hosts = load(ctx.s, Host, (r.host_id for r in rows))
    pods, zones = (
        load(ctx.s, Pod, (h.pod_id for h in hosts.values())),
        load(ctx.s, Zone, (n.zone_id for n in first.values())),
    )
    accounts = load(ctx.s, Account, (n.account_id for n in first.values()))
    domains = load(ctx.s, Domain, (n.domain_id for n in first.values()))
    nics, public = _nics(ctx, rows), _public(ctx, served)
    views: list[RouterView] = []
    for r in rows:
        network = first.get(r.group_id)
        if network is None:
            continue
        group, host, domain = groups[r.group_id], hosts.get(r.host_id or 0), domains[network.domain_id]
        view: RouterView = {
            **_facts(r, group, host),
            "account": accounts[network.account_id].name,
            "domain": domain.name,
            "domainid": domain.uuid,
            "domainpath": path_of(domain),
            "zoneid": zones[network.zone_id].uuid,
            "zonename": zones[network.zone_id].name,
            "guestnetworkid": network.uuid,
            "guestnetworkname": network.name,
            "networkdomain": network.network_domain,
            "dns1": network.dns1 or zones[network.zone_id].dns1,
            "dns2": network.dns2 or zones[network.zone_id].dns2,
        }
        view |= _addresses(nics.get(r.id, []), public.get(r.group_id))
        if host is not None and ctx.is_admin:
            view["hostid"], view["hostname"] = host.uuid, host.name
            view["hostcontrolstate"] = host.resource_state.value
            view["podid"], view["podname"] = pods[host.pod_id].uuid, pods[host.pod_id].name
        views.append(view)
    return views


def health(ctx: Ctx, rows: Sequence[Router]) -> list[HealthChecksView]:
    """Return the checks of routers."""
    groups = {
        g.id: g
        for g in ctx.s.scalars(select(RouterGroup).where(RouterGroup.id.in_([r.group_id for r in rows])))
    }
    hosts = load(ctx.s, Host, (r.host_id for r in rows))
    return [
        {"routerid": r.uuid, "healthchecks": _checks(r, groups[r.group_id], hosts.get(r.host_id or 0))}
        for r in rows
    ]


def _facts(r: Router, group: RouterGroup, host: Host | None) -> RouterView:
    checks = _checks(r, group, host)
    return {
        "id": r.uuid,
        "name": name(r),
        "state": _state(r, host),
        "role": "VIRTUAL_ROUTER",
        "isredundantrouter": group.redundant,
        "redundantstate": r.role if group.redundant else "UNKNOWN",
        "hypervisor": host.hypervisor if host else None,
        "version": __version__,
        "softwareversion": host.agent_version if host else None,
        "requiresupgrade": False,
        "healthchecksfailed": any(not check["success"] for check in checks),
        "healthcheckresults": checks,
        "created": date(r.created_s),
    }


def _state(r: Router, host: Host | None) -> str:
    if r.stopped:
        return "Stopping" if r.applied else "Stopped"
    if host is None:
        return "Stopped"
    if host.state != HostState.UP:
        return "Unknown"
    return "Running" if r.applied else "Starting"


def _checks(r: Router, group: RouterGroup, host: Host | None) -> list[HealthView]:
    """Return what is known: each check is what the host said when it was asked last, every few seconds."""
    if r.stopped or host is None:
        return []
    answers = host.state == HostState.UP
    behind = group.desired - r.applied
    found = (
        ("host", "basic", answers, "" if answers else f"its host is {host.state.value}"),
        ("processes", "basic", not r.trouble, r.trouble),
        (
            "configuration",
            "advanced",
            behind <= 0,
            "" if behind <= 0 else f"{behind} changes are not applied yet",
        ),
    )
    since = date(r.trouble_since_s)
    return [
        {"checkname": check, "checktype": kind, "success": good, "details": text, "lastupdated": since}
        for check, kind, good, text in found
    ]


def _served(ctx: Ctx, rows: Sequence[Router]) -> dict[int, list[Network]]:
    stmt = select(Network).where(Network.group_id.in_({r.group_id for r in rows}), live(Network))
    found: dict[int, list[Network]] = {}
    for network in ctx.s.scalars(stmt.order_by(Network.id)):
        found.setdefault(network.group_id or 0, []).append(network)
    return found


def _nics(ctx: Ctx, rows: Sequence[Router]) -> dict[int, list[tuple[Nic, Network]]]:
    stmt = select(Nic, Network).join(Network, Network.id == Nic.network_id)
    stmt = stmt.where(Nic.router_id.in_([r.id for r in rows]), live(Nic)).order_by(Nic.id)
    found: dict[int, list[tuple[Nic, Network]]] = {}
    for nic, network in ctx.s.execute(stmt):
        found.setdefault(nic.router_id or 0, []).append((nic, network))
    return found


def _public(ctx: Ctx, served: dict[int, list[Network]]) -> dict[int, tuple[PublicAddress, VlanRange]]:
    """Return the address that each group goes out by, with its range."""
    groups = {n.id: group_id for group_id, networks in served.items() for n in networks}
    stmt = select(PublicAddress, VlanRange).join(VlanRange, VlanRange.id == PublicAddress.range_id)
    stmt = stmt.where(
        PublicAddress.network_id.in_(groups), PublicAddress.source_nat.is_(True), live(PublicAddress),
        PublicAddress.state == addresses.State.ALLOCATED,
    )  # fmt: skip
    return {groups[a.network_id or 0]: (a, r) for a, r in ctx.s.execute(stmt)}


def _addresses(nics: list[tuple[Nic, Network]], public: tuple[PublicAddress, VlanRange] | None) -> RouterView:
    found: RouterView = {"nic": [_guest_nic(nic, network) for nic, network in nics]}
    if nics:
        nic, network = nics[0]
        found |= {"guestipaddress": nic.ip, "guestmacaddress": nic.mac, "guestnetmask": network.netmask}
    if public:
        address, range = public
        found |= {"publicip": address.ip, "publicnetmask": range.netmask, "gateway": range.gateway}
        found["nic"].append(
            {
                "ipaddress": address.ip, "netmask": range.netmask, "gateway": range.gateway, "traffictype": "Public",
                "isdefault": True,
            }
        )  # fmt: skip
    return found


def _guest_nic(nic: Nic, network: Network) -> RouterNicView:
    return {
        "id": nic.uuid,
        "networkid": network.uuid,
        "networkname": network.name,
        "macaddress": nic.mac,
        "ipaddress": nic.ip,
        "netmask": network.netmask,
        "gateway": network.gateway,
        "traffictype": "Guest",
        "isdefault": False,
    }
