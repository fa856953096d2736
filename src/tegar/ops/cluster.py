"""Clusters."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model.errors import Exists, InUse
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.pools import Pool
from tegar.store.serial import alone
from tegar.store.zones import Cluster, Pod, Zone

HYPERVISORS = ("KVM", "Simulator")


def must_lie_in(pod: Pod, zone: Zone) -> None:
    """Refuse a pod of another zone.

    Raises:
        Refused: it is.
    """
    if pod.zone_id != zone.id:
        raise Refused(f"Pod {pod.name} is not in zone {zone.name}")


def named(s: Session, pod_id: int, name: str) -> Cluster | None:
    """Return the cluster of that name in a pod."""
    return s.scalars(
        select(Cluster).where(Cluster.pod_id == pod_id, Cluster.name == name, live(Cluster))
    ).first()


def create(ctx: Ctx, cluster: Cluster) -> Cluster:
    """Make a cluster.

    Raises:
        Exists: the pod has one of that name.
    """
    alone(ctx.s)
    if named(ctx.s, cluster.pod_id, cluster.name):
        raise Exists("cluster", cluster.name)
    ctx.s.add(cluster)
    ctx.s.flush()
    ctx.note("CLUSTER.CREATE", f"Cluster {cluster.name} created", cluster)
    return cluster


def delete(ctx: Ctx, cluster: Cluster) -> None:
    """Remove an empty cluster.

    Raises:
        InUse: a host or a storage pool is in it.
    """
    alone(ctx.s)
    for kind, what in ((Host, "hosts"), (Pool, "storage pools")):
        if ctx.s.scalars(select(kind.id).where(kind.cluster_id == cluster.id, live(kind)).limit(1)).first():
            raise InUse(f"Cluster {cluster.name}", f"it still has {what}")
    cluster.removed_s = ctx.now_s
    ctx.note("CLUSTER.DELETE", f"Cluster {cluster.name} deleted", cluster)
