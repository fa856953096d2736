"""Primary storage pools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import Job, SagaRow
from tegar.model.errors import Exists
from tegar.model.spec import PoolKind
from tegar.ops import cluster as clusters
from tegar.ops.ctx import Ctx
from tegar.saga.pool_add import ADD_POOL, AddPool
from tegar.saga.pool_delete import DELETE_POOL, DeletePool, must_be_empty
from tegar.store.pools import Pool
from tegar.store.zones import Cluster, Pod, Zone

_PATH = re.compile(r"/[A-Za-z0-9._/+@-]+")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?|\[[0-9a-fA-F:]+\]")


@dataclass(frozen=True)
class Place:
    """Where a storage is: ``server`` is empty for a directory."""

    kind: PoolKind
    server: str
    path: str


def clean_path(text: str, example: str) -> str:
    """Return an absolute path as it is written best.

    Raises:
        BadParameter: it is relative, climbs, is the root, or has characters that mean something elsewhere.
    """
    path = "/" + "/".join(part for part in unquote(text).split("/") if part)
    if not _PATH.fullmatch(path) or ".." in path.split("/") or "." in path.split("/"):
        raise BadParameter("url", f"{text[:80]!r} is not a plain absolute path, such as in {example}")
    return path


def clean_server(text: str, example: str) -> str:
    """Return a server's name or address.

    Raises:
        BadParameter: it is neither, or there is a password in it.
    """
    if not _SERVER.fullmatch(text):
        raise BadParameter("url", f"{text[:80]!r} is not a server, such as in {example}")
    return text.lower()


def place(url: str) -> Place:
    """Return where a pool is: ``nfs://server/path`` or ``SharedMountPoint://localhost/path``.

    Raises:
        BadParameter: the address makes no sense.
        Refused: a kind of storage that this release does not have.
    """
    parts = urlsplit(url.strip())
    if parts.scheme == "nfs":
        example = "nfs://10.1.2.3/export/primary"
        return Place(PoolKind.NFS, clean_server(parts.netloc, example), clean_path(parts.path, example))
    if parts.scheme == "sharedmountpoint":
        example = "SharedMountPoint://localhost/mnt/primary"
        if parts.netloc.lower() not in ("", "localhost"):
            raise BadParameter("url", f"a shared mount point is on every host: write it as {example}")
        return Place(PoolKind.SHARED, "", clean_path(parts.path, example))
    raise Refused(
        f"Storage at {url[:80]!r} is of a kind that this release does not have; "
        "it has nfs://server/path and SharedMountPoint://localhost/path"
    )


def create(
    ctx: Ctx,
    *,
    name: str,
    url: str,
    zone: Zone,
    pod: Pod | None,
    cluster: Cluster | None,
    scope: str,
    hypervisor: str,
    tags: str,
) -> SagaRow:
    """Ask for a pool; its row appears when every host that is to use it has opened it.

    Raises:
        Exists: the zone has a pool of that name.
        Refused: scope, pod, cluster and hypervisor do not go together.
    """
    at = place(url)
    if scope == "CLUSTER":
        if pod is None or cluster is None:
            raise Refused(
                "A pool of scope CLUSTER needs podid and clusterid; or say scope=ZONE and hypervisor"
            )
        clusters.must_lie_in(pod, zone)
        if cluster.pod_id != pod.id:
            raise Refused(f"Cluster {cluster.name} is not in pod {pod.name}")
        if hypervisor and hypervisor != cluster.hypervisor:
            raise Refused(f"Cluster {cluster.name} is for {cluster.hypervisor}, not {hypervisor}")
        hypervisor = cluster.hypervisor
    elif pod or cluster:
        raise Refused("A pool of scope ZONE has neither podid nor clusterid")
    elif not hypervisor:
        raise Refused(f"A pool of scope ZONE needs hypervisor: {' or '.join(clusters.HYPERVISORS)}")
    taken = select(Pool.id).where(Pool.zone_id == zone.id, Pool.name == name, live(Pool))
    if ctx.s.scalars(taken).first():
        raise Exists("storage pool", name)
    params = AddPool(
        uuid=str(uuid4()),
        name=name,
        zone_id=zone.id,
        pod_id=pod.id if pod else None,
        cluster_id=cluster.id if cluster else None,
        hypervisor=hypervisor,
        kind=at.kind.value,
        server=at.server,
        path=at.path,
        tags=tags,
    )
    ctx.note("STORAGE.POOL.CREATE", f"Adding storage pool {name} at {url}", state="Scheduled")
    about = Job(ctx.command, ctx.user.id, ctx.account.id, "Pool", params.uuid)
    return ADD_POOL.submit(ctx.s, params, about)


def delete(ctx: Ctx, pool: Pool, *, forced: bool) -> SagaRow:
    """Ask for an empty pool to be forgotten.

    Raises:
        InUse: volumes live on it.
    """
    must_be_empty(ctx.s, pool)
    ctx.note("STORAGE.POOL.DELETE", f"Deleting storage pool {pool.name}", pool, state="Scheduled")
    return DELETE_POOL.submit(ctx.s, DeletePool(pool.id, pool.state, forced), ctx.job(pool))
