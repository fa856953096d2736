"""Hosts, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date, load
from tegar.api.views.bmc import BmcView, by_host
from tegar.api.views.capacity import percent
from tegar.model.settings import CPU_OVERCOMMIT, MEMORY_OVERCOMMIT
from tegar.ops.ctx import Ctx
from tegar.store import hosts as store
from tegar.store.capacity import factors
from tegar.store.hosts import Host, HostUse, Pulse
from tegar.store.zones import Cluster, Pod, Zone


class HostView(TypedDict, total=False):
    """A host; shares are texts such as ``12.5%``, memory is in bytes, CPU in MHz."""

    id: str
    name: str
    state: str
    resourcestate: str
    type: str
    hypervisor: str
    hypervisorversion: str
    version: str
    ipaddress: str
    arch: str
    zoneid: str
    zonename: str
    podid: str
    podname: str
    clusterid: str
    clustername: str
    clustertype: str
    cpunumber: int
    cpusockets: int
    cpuspeed: int
    cpuused: str
    cpuallocated: str
    cpuallocatedvalue: int
    cpuallocatedpercentage: str
    cpuallocatedwithoverprovisioning: str
    cpuwithoverprovisioning: str
    memorytotal: int
    memoryused: int
    memoryallocated: int
    memoryallocatedbytes: int
    memoryallocatedpercentage: str
    memorywithoverprovisioning: str
    hosttags: str | None
    explicithosttags: str | None
    capabilities: str
    hahost: bool
    islocalstorageactive: bool
    ueficapability: bool
    encryptionsupported: bool
    details: dict[str, str]
    events: str
    created: str | None
    lastpinged: str | None
    disconnected: str | None
    suitableformigration: bool
    outofbandmanagement: BmcView


def hosts(ctx: Ctx, rows: Sequence[Host]) -> list[HostView]:
    """Return hosts with their places, what is promised on them, and when they were last heard."""
    ids = [r.id for r in rows]
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    pods = load(ctx.s, Pod, (r.pod_id for r in rows))
    clusters = load(ctx.s, Cluster, (r.cluster_id for r in rows))
    uses, pulses = store.uses(ctx.s, ids), store.pulses(ctx.s, ids)
    cpu, memory = factors(ctx.s, CPU_OVERCOMMIT), factors(ctx.s, MEMORY_OVERCOMMIT)
    bmcs = by_host(ctx, rows)
    views: list[HostView] = []
    for r in rows:
        view = _facts(r)
        view |= _room(r, uses.get(r.id), cpu.get(r.cluster_id, cpu[0]), memory.get(r.cluster_id, memory[0]))
        view |= _pulse(r, pulses.get(r.id))
        view["zoneid"], view["zonename"] = zones[r.zone_id].uuid, zones[r.zone_id].name
        view["podid"], view["podname"] = pods[r.pod_id].uuid, pods[r.pod_id].name
        view["clusterid"], view["clustername"] = clusters[r.cluster_id].uuid, clusters[r.cluster_id].name
        view["clustertype"] = clusters[r.cluster_id].cluster_type
        if r.id in bmcs:
            view["outofbandmanagement"] = bmcs[r.id]
        views.append(view)
    return views


def suitable(ctx: Ctx, rows: Sequence[Host]) -> list[HostView]:
    """Return hosts that a VM can migrate to."""
    views = hosts(ctx, rows)
    for view in views:
        view["suitableformigration"] = True
    return views


def _facts(r: Host) -> HostView:
    return {
        "id": r.uuid,
        "name": r.name,
        "state": r.state.value,
        "resourcestate": r.resource_state.value,
        "type": "Routing",
        "hypervisor": r.hypervisor,
        "hypervisorversion": r.hypervisor_version,
        "version": r.agent_version,
        "ipaddress": r.address,
        "arch": "x86_64",
        "hosttags": r.tags or None,
        "explicithosttags": r.tags or None,
        "capabilities": "hvm",
        "hahost": False,
        "islocalstorageactive": False,
        "ueficapability": False,
        "encryptionsupported": False,
        "details": {"accel": r.accel, "can": r.can},
        "events": "",
        "created": date(r.created_s),
    }


def _room(r: Host, use: HostUse | None, cpu_factor: float, memory_factor: float) -> HostView:
    mhz, size = (use.cpu_mhz, use.memory_bytes) if use else (0, 0)
    all_mhz = r.cpus * r.cpu_mhz
    return {
        "cpunumber": r.cpus,
        "cpusockets": 1,
        "cpuspeed": r.cpu_mhz,
        "cpuallocated": f"{percent(mhz, all_mhz)}%",
        "cpuallocatedvalue": mhz,
        "cpuallocatedpercentage": f"{percent(mhz, all_mhz)}%",
        "cpuallocatedwithoverprovisioning": f"{percent(mhz, all_mhz * cpu_factor)}%",
        "cpuwithoverprovisioning": f"{all_mhz * cpu_factor:.1f}",
        "memorytotal": r.memory_bytes,
        "memoryallocated": size,
        "memoryallocatedbytes": size,
        "memoryallocatedpercentage": f"{percent(size, r.memory_bytes)}%",
        "memorywithoverprovisioning": str(int(r.memory_bytes * memory_factor)),
    }


def _pulse(r: Host, pulse: Pulse | None) -> HostView:
    if pulse is None:
        return {}
    up = r.state == "Up"
    return {
        "cpuused": f"{percent(pulse.cpu_used, 1)}%",
        "memoryused": pulse.memory_used_bytes,
        "lastpinged": date(pulse.seen_s),
        "disconnected": None if up else date(pulse.seen_s),
    }
