"""Capacity, as the API shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.model.capacity import NAMES
from tegar.ops.capacity import Line
from tegar.ops.ctx import Ctx
from tegar.store.zones import Cluster, Pod, Zone


class CapacityView(TypedDict, total=False):
    """One kind of capacity at one place; ``percentused`` is a number as text."""

    type: int
    name: str
    zoneid: str
    zonename: str
    podid: str | None
    podname: str | None
    clusterid: str | None
    clustername: str | None
    capacitytotal: int
    capacityused: int
    capacityallocated: int
    percentused: str


def percent(part: float, whole: float) -> str:
    """Return a share as the protocol writes it: ``12.5``, and ``0`` of nothing."""
    return f"{100 * part / whole:.2f}".rstrip("0").rstrip(".") if whole else "0"


def capacities(ctx: Ctx, rows: Sequence[Line]) -> list[CapacityView]:
    """Return capacities with the names of their places."""
    zones = load(ctx.s, Zone, (r.amount.zone_id for r in rows))
    pods = load(ctx.s, Pod, (r.amount.pod_id for r in rows))
    clusters = load(ctx.s, Cluster, (r.amount.cluster_id for r in rows))
    views: list[CapacityView] = []
    for r in rows:
        pod, cluster = pods.get(r.amount.pod_id or 0), clusters.get(r.amount.cluster_id or 0)
        views.append(
            {
                "type": int(r.kind),
                "name": NAMES[r.kind],
                "zoneid": zones[r.amount.zone_id].uuid,
                "zonename": zones[r.amount.zone_id].name,
                "podid": pod.uuid if pod else None,
                "podname": pod.name if pod else None,
                "clusterid": cluster.uuid if cluster else None,
                "clustername": cluster.name if cluster else None,
                "capacitytotal": r.amount.total,
                "capacityused": r.amount.used,
                "capacityallocated": r.amount.promised,
                "percentused": percent(r.amount.used, r.amount.total),
            }
        )
    return views


def by_place(ctx: Ctx, lines: Iterable[Line], attribute: str) -> dict[int, list[CapacityView]]:
    """Return views by the id of their pod (``pod_id``) or cluster (``cluster_id``)."""
    kept = [line for line in lines if getattr(line.amount, attribute) is not None]
    found: dict[int, list[CapacityView]] = {}
    for line, view in zip(kept, capacities(ctx, kept), strict=True):
        found.setdefault(getattr(line.amount, attribute), []).append(view)
    return found
