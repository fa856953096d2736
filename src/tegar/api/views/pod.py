"""Pods, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.api.views.capacity import CapacityView, by_place
from tegar.model import span
from tegar.ops import capacity
from tegar.ops.ctx import Ctx
from tegar.store.zones import Pod, Zone


class PodRange(TypedDict, total=False):
    """A range of a pod's addresses."""

    startip: str
    endip: str
    gateway: str
    cidr: str


class PodView(TypedDict, total=False):
    """A pod."""

    id: str
    name: str
    zoneid: str
    zonename: str
    gateway: str
    netmask: str
    startip: list[str]
    endip: list[str]
    ipranges: list[PodRange]
    allocationstate: str
    capacity: list[CapacityView]


def pods(ctx: Ctx, rows: Sequence[Pod]) -> list[PodView]:
    """Return pods with their zone's name."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
            "gateway": r.gateway,
            "netmask": r.netmask,
            "startip": [r.start_ip] if r.start_ip else [],
            "endip": [r.end_ip] if r.end_ip else [],
            "ipranges": _ranges(r),
            "allocationstate": r.allocation,
        }
        for r in rows
    ]


def with_capacity(ctx: Ctx, rows: Sequence[Pod]) -> list[PodView]:
    """Return pods with their capacities."""
    found = by_place(ctx, capacity.lines(ctx), "pod_id")
    views = pods(ctx, rows)
    for row, view in zip(rows, views, strict=True):
        view["capacity"] = found.get(row.id, [])
    return views


def _ranges(pod: Pod) -> list[PodRange]:
    if not pod.start_ip:
        return []
    cidr = str(span.subnet(pod.gateway, pod.netmask).network)
    end = pod.end_ip or pod.start_ip
    return [{"startip": pod.start_ip, "endip": end, "gateway": pod.gateway, "cidr": cidr}]
