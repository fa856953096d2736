"""High availability, as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date, load
from tegar.ops.ctx import Ctx
from tegar.ops.high_availability import PROVIDER, HostHa, Pending, Verdict, of_hosts
from tegar.store.health import HealthCheck
from tegar.store.hosts import Host
from tegar.store.leases import Death, Witness
from tegar.store.vms import Vm
from tegar.store.zones import Cluster


class HostHaView(TypedDict, total=False):
    """A host and what becomes of its VMs when it fails; only commands that change it answer ``status``."""

    hostid: str
    haenable: bool
    hastate: str
    haprovider: str
    status: bool


class HaProviderView(TypedDict, total=False):
    """A way to answer the failure of hosts."""

    haprovider: str


class LeaseView(TypedDict, total=False):
    """A host's lease, as the servers last heard of it."""

    hostid: str
    hostname: str
    clusterid: str
    clustername: str
    haenable: bool
    hastate: str
    lease: str | None
    boot: str | None
    epoch: int | None
    since: str | None
    braked: bool
    flaps: int | None
    quarantineduntil: str | None
    deadafter: float | None


class ProofView(TypedDict, total=False):
    """A recorded proof that nothing which ran under a lease, or one VM of it, can write any more."""

    id: str
    hostid: str
    hostname: str
    virtualmachineid: str | None
    virtualmachinename: str | None
    boot: str
    epoch: int
    proof: str
    evidence: str
    at: str | None


class PendingView(TypedDict, total=False):
    """An HA VM that is not running yet, and what it waits for."""

    id: str
    name: str
    priority: int
    hostid: str | None
    hostname: str | None
    restart: bool
    since: str | None
    reason: str


class MoveView(TypedDict, total=False):
    """Where a VM would be restarted, and as which."""

    id: str
    name: str
    priority: int
    order: int
    hostid: str
    hostname: str


class VerdictView(TypedDict, total=False):
    """What would happen to a cluster that loses as many hosts as asked, or, with a host, when that is lost."""

    id: str
    clusterid: str
    clustername: str
    hostid: str | None
    hostname: str | None
    promised: int
    tolerated: int
    survivable: bool
    reason: str | None
    virtualmachine: list[MoveView]


class FindingView(TypedDict, total=False):
    """One thing that was looked at; without a reason it is good."""

    subject: str
    what: str
    shown: str
    good: bool
    reason: str | None


class CheckRunView(TypedDict, total=False):
    """A check of what failovers stand on; ``good`` is not there before it has ended."""

    id: str
    created: str | None
    ended: str | None
    good: bool | None
    total: int
    bad: int
    finding: list[FindingView]


class WitnessView(TypedDict, total=False):
    """A witness; without a cluster it is of all clusters that have none of their own."""

    id: str
    name: str
    address: str
    port: int
    clusterid: str | None
    clustername: str | None
    created: str | None


def hosts_ha(ctx: Ctx, rows: Sequence[Host]) -> list[HostHaView]:
    """Return hosts and what becomes of them."""
    return [_host(found) for found in of_hosts(ctx, rows)]


def changed(ctx: Ctx, rows: Sequence[Host]) -> list[HostHaView]:
    """Return hosts that were changed."""
    return [{**view, "status": True} for view in hosts_ha(ctx, rows)]


def _host(found: HostHa) -> HostHaView:
    return {
        "hostid": found.host.uuid,
        "haenable": found.enabled,
        "hastate": found.state,
        "haprovider": PROVIDER,
    }


def providers(ctx: Ctx, rows: Sequence[str]) -> list[HaProviderView]:
    """Return ways by name."""
    return [{"haprovider": name} for name in rows]


def leases(ctx: Ctx, rows: Sequence[Host]) -> list[LeaseView]:
    """Return hosts with their leases."""
    clusters = load(ctx.s, Cluster, (r.cluster_id for r in rows))
    views: list[LeaseView] = []
    for found in of_hosts(ctx, rows):
        host, lease = found.host, found.lease
        view: LeaseView = {
            "hostid": host.uuid,
            "hostname": host.name,
            "clusterid": clusters[host.cluster_id].uuid,
            "clustername": clusters[host.cluster_id].name,
            "haenable": found.enabled,
            "hastate": found.state,
            "braked": lease is not None and lease.braked,
        }
        if lease is not None:
            view["lease"], view["boot"], view["epoch"] = lease.state, lease.boot, lease.epoch
            view["since"], view["flaps"] = date(lease.since_s), lease.flaps
            view["deadafter"] = lease.dead_s
            if lease.quarantined_until_s > ctx.now_s:
                view["quarantineduntil"] = date(lease.quarantined_until_s)
        views.append(view)
    return views


def proofs(ctx: Ctx, rows: Sequence[Death]) -> list[ProofView]:
    """Return proofs with the names of hosts and VMs."""
    hosts, vms = (
        load(ctx.s, Host, (r.host_id for r in rows)),
        load(ctx.s, Vm, (r.vm_id or None for r in rows)),
    )
    views: list[ProofView] = []
    for r in rows:
        vm = vms.get(r.vm_id)
        views.append(
            {
                "id": str(r.id),
                "hostid": hosts[r.host_id].uuid,
                "hostname": hosts[r.host_id].name,
                "virtualmachineid": vm.uuid if vm else None,
                "virtualmachinename": vm.name if vm else None,
                "boot": r.boot,
                "epoch": r.epoch,
                "proof": r.kind,
                "evidence": r.evidence,
                "at": date(r.at_s),
            }
        )
    return views


def pending(ctx: Ctx, rows: Sequence[Pending]) -> list[PendingView]:
    """Return VMs that are not running yet."""
    hosts = load(ctx.s, Host, (r.vm.host_id for r in rows))
    views: list[PendingView] = []
    for r in rows:
        host = hosts.get(r.vm.host_id or 0)
        views.append(
            {
                "id": r.vm.uuid,
                "name": r.vm.name,
                "priority": r.vm.ha_priority,
                "hostid": host.uuid if host else None,
                "hostname": host.name if host else None,
                "restart": r.restart,
                "since": date(r.since_s),
                "reason": r.why,
            }
        )
    return views


def verdicts(ctx: Ctx, rows: Sequence[Verdict]) -> list[VerdictView]:
    """Return what would happen, with the names of hosts and VMs."""
    moves = [move for r in rows for move in r.moves]
    hosts = load(ctx.s, Host, (m.host_id for m in moves))
    vms = load(ctx.s, Vm, (m.guest.id for m in moves))
    return [
        {
            "id": (r.host or r.cluster).uuid,
            "clusterid": r.cluster.uuid,
            "clustername": r.cluster.name,
            "hostid": r.host.uuid if r.host else None,
            "hostname": r.host.name if r.host else None,
            "promised": r.promised,
            "tolerated": r.tolerated,
            "survivable": r.survivable,
            "reason": r.why or None,
            "virtualmachine": [
                {
                    "id": vms[m.guest.id].uuid,
                    "name": m.guest.name,
                    "priority": m.guest.priority,
                    "order": order,
                    "hostid": hosts[m.host_id].uuid,
                    "hostname": hosts[m.host_id].name,
                }
                for order, m in enumerate(r.moves, 1)
            ],
        }
        for r in rows
    ]


def witnesses(ctx: Ctx, rows: Sequence[Witness]) -> list[WitnessView]:
    """Return witnesses with the names of their clusters."""
    clusters = load(ctx.s, Cluster, (r.cluster_id for r in rows))
    views: list[WitnessView] = []
    for r in rows:
        cluster = clusters.get(r.cluster_id or 0)
        views.append(
            {
                "id": r.uuid,
                "name": r.name,
                "address": r.address,
                "port": r.port,
                "clusterid": cluster.uuid if cluster else None,
                "clustername": cluster.name if cluster else None,
                "created": date(r.created_s),
            }
        )
    return views


def check_runs(ctx: Ctx, rows: Sequence[HealthCheck]) -> list[CheckRunView]:
    """Return checks with what they found."""
    return [
        {
            "id": row.uuid,
            "created": date(row.created_s),
            "ended": date(row.ended_s),
            "good": None if row.ended_s is None else not row.bad,
            "total": row.total,
            "bad": row.bad,
            "finding": [
                {
                    "subject": found["subject"],
                    "what": found["what"],
                    "shown": found["shown"],
                    "good": not found["why"],
                    "reason": found["why"] or None,
                }
                for found in json.loads(row.findings)
            ],
        }
        for row in rows
    ]
