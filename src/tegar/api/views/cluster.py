"""Clusters, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.api.views.capacity import CapacityView, by_place
from tegar.model.settings import CPU_OVERCOMMIT, MEMORY_OVERCOMMIT
from tegar.ops import capacity
from tegar.ops.ctx import Ctx
from tegar.store.capacity import factors
from tegar.store.zones import Cluster, Pod, Zone


class ClusterView(TypedDict, total=False):
    """A cluster; the overcommit ratios are numbers as text."""

    id: str
    name: str
    zoneid: str
    zonename: str
    podid: str
    podname: str
    hypervisortype: str
    clustertype: str
    allocationstate: str
    managedstate: str
    arch: str
    cpuovercommitratio: str
    memoryovercommitratio: str
    capacity: list[CapacityView]


def clusters(ctx: Ctx, rows: Sequence[Cluster]) -> list[ClusterView]:
    """Return clusters with the names of their places."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    pods = load(ctx.s, Pod, (r.pod_id for r in rows))
    cpu, memory = factors(ctx.s, CPU_OVERCOMMIT), factors(ctx.s, MEMORY_OVERCOMMIT)
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
            "podid": pods[r.pod_id].uuid,
            "podname": pods[r.pod_id].name,
            "hypervisortype": r.hypervisor,
            "clustertype": r.cluster_type,
            "allocationstate": r.allocation,
            "managedstate": "Managed",
            "arch": "x86_64",
            "cpuovercommitratio": str(cpu.get(r.id, cpu[0])),
            "memoryovercommitratio": str(memory.get(r.id, memory[0])),
        }
        for r in rows
    ]


def with_capacity(ctx: Ctx, rows: Sequence[Cluster]) -> list[ClusterView]:
    """Return clusters with their capacities."""
    found = by_place(ctx, capacity.lines(ctx), "cluster_id")
    views = clusters(ctx, rows)
    for row, view in zip(rows, views, strict=True):
        view["capacity"] = found.get(row.id, [])
    return views
