"""Storage pools, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import select

from tegar.api.views.base import date, load
from tegar.model.settings import STORAGE_OVERCOMMIT
from tegar.ops.ctx import Ctx
from tegar.store.capacity import factors
from tegar.store.pools import Pool, PoolUse
from tegar.store.zones import Cluster, Pod, Zone


class PoolView(TypedDict, total=False):
    """A storage pool; sizes in bytes."""

    id: str
    name: str
    state: str
    type: str
    scope: str
    provider: str
    managed: bool
    ipaddress: str
    path: str
    tags: str | None
    hypervisor: str | None
    zoneid: str
    zonename: str
    podid: str | None
    podname: str | None
    clusterid: str | None
    clustername: str | None
    disksizetotal: int
    disksizeused: int
    disksizeallocated: int
    capacitybytes: int
    overprovisionfactor: str
    created: str | None


def pools(ctx: Ctx, rows: Sequence[Pool]) -> list[PoolView]:
    """Return pools with their places and what is promised on them."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    pods = load(ctx.s, Pod, (r.pod_id for r in rows))
    clusters = load(ctx.s, Cluster, (r.cluster_id for r in rows))
    stmt = select(PoolUse).where(PoolUse.pool_id.in_([r.id for r in rows]))
    held = {u.pool_id: u.allocated_bytes for u in ctx.s.scalars(stmt)}
    factor = factors(ctx.s, STORAGE_OVERCOMMIT)
    views: list[PoolView] = []
    for r in rows:
        pod, cluster = pods.get(r.pod_id or 0), clusters.get(r.cluster_id or 0)
        views.append(
            {
                "id": r.uuid,
                "name": r.name,
                "state": r.state,
                "type": r.kind.value,
                "scope": r.scope,
                "provider": "DefaultPrimary",
                "managed": False,
                "ipaddress": r.server or "localhost",
                "path": r.path,
                "tags": r.tags or None,
                "hypervisor": cluster.hypervisor if cluster else None,
                "zoneid": zones[r.zone_id].uuid,
                "zonename": zones[r.zone_id].name,
                "podid": pod.uuid if pod else None,
                "podname": pod.name if pod else None,
                "clusterid": cluster.uuid if cluster else None,
                "clustername": cluster.name if cluster else None,
                "disksizetotal": r.capacity_bytes,
                "disksizeused": r.used_bytes,
                "disksizeallocated": held.get(r.id, 0),
                "capacitybytes": r.capacity_bytes,
                "overprovisionfactor": str(factor.get(r.zone_id, factor[0])),
                "created": date(r.created_s),
            }
        )
    return views
