"""Capacity: what there is and what is promised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.model.capacity import Kind
from tegar.ops.ctx import Ctx
from tegar.saga import promise
from tegar.store import capacity
from tegar.store.capacity import Amount
from tegar.store.zones import Zone

NOTHING = (0, 0)


@dataclass(frozen=True)
class Line:
    """One kind of capacity, and how much of it there is at a place."""

    kind: Kind
    amount: Amount


def lines(ctx: Ctx) -> list[Line]:
    """Return all capacities by cluster; addresses, and pools of a whole zone, by zone.

    CPU and memory that are kept for VMs of failed hosts are promised, not used.
    """
    cpu, memory = capacity.compute(ctx.s)
    kept = promise.reserves(ctx.s)
    cpu = [replace(a, promised=a.promised + kept.get(a.cluster_id or 0, NOTHING)[0]) for a in cpu]
    memory = [replace(a, promised=a.promised + kept.get(a.cluster_id or 0, NOTHING)[1]) for a in memory]
    used, promised = capacity.storage(ctx.s)
    by_kind = (
        (Kind.MEMORY, memory),
        (Kind.CPU, cpu),
        (Kind.STORAGE, used),
        (Kind.STORAGE_ALLOCATED, promised),
        (Kind.SHARED_ADDRESSES, capacity.addresses(ctx.s)),
    )
    return [Line(kind, amount) for kind, amounts in by_kind for amount in amounts]


def by_zone(ctx: Ctx, zone: Zone | None) -> list[Line]:
    """Return the sums over each zone, a row for every kind even where there is nothing."""
    found = lines(ctx)
    ids = select(Zone.id).where(live(Zone)).order_by(Zone.id)
    zone_ids = [zone.id] if zone else list(ctx.s.scalars(ids))
    return [
        Line(kind, capacity.total([x.amount for x in found if x.kind == kind], zone_id))
        for zone_id in zone_ids
        for kind in Kind
    ]
