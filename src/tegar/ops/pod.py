"""Pods."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model import span
from tegar.model.errors import Exists, InUse
from tegar.ops.ctx import Ctx
from tegar.store.pools import Pool
from tegar.store.serial import alone
from tegar.store.zones import Cluster, Pod


def create(ctx: Ctx, pod: Pod) -> Pod:
    """Make a pod.

    Raises:
        Exists: the zone has one of that name.
        BadParameter: its addresses make no sense.
        Refused: its range overlaps another pod's.
    """
    mine = _range(pod)
    alone(ctx.s)
    for other in ctx.s.scalars(select(Pod).where(Pod.zone_id == pod.zone_id, live(Pod))):
        if other.name == pod.name:
            raise Exists("pod", pod.name)
        theirs = _range(other)
        if mine and theirs and mine.overlaps(theirs):
            raise Refused(
                f"The range {mine.first} to {mine.last} overlaps that of pod {other.name}, "
                f"{theirs.first} to {theirs.last}"
            )
    ctx.s.add(pod)
    ctx.s.flush()
    ctx.note("POD.CREATE", f"Pod {pod.name} created", pod)
    return pod


def _range(pod: Pod) -> span.Span | None:
    within = span.subnet(pod.gateway, pod.netmask)
    if not pod.start_ip:
        if pod.end_ip:
            raise Refused("endip is given without startip; give both or neither")
        return None
    return span.span(within, pod.start_ip, pod.end_ip)


def delete(ctx: Ctx, pod: Pod) -> None:
    """Remove an empty pod.

    Raises:
        InUse: a cluster or a storage pool is in it.
    """
    alone(ctx.s)
    for kind, what in ((Cluster, "clusters"), (Pool, "storage pools")):
        if ctx.s.scalars(select(kind.id).where(kind.pod_id == pod.id, live(kind)).limit(1)).first():
            raise InUse(f"Pod {pod.name}", f"it still has {what}")
    pod.removed_s = ctx.now_s
    ctx.note("POD.DELETE", f"Pod {pod.name} deleted", pod)
