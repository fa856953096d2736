"""Add a storage pool: every host that is to use it opens it before it is listed.

A host that is added at the same moment opens the pool too, here or in its own saga: both look
again, alone, before they write.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import by_uuid, live
from tegar.kernel.errors import NotYet, Refused, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import Resource
from tegar.model.spec import PoolKind, PoolSpec
from tegar.saga.env import Env, link
from tegar.saga.reach import cannot, up
from tegar.store.hosts import Host
from tegar.store.pools import Pool, PoolUse
from tegar.store.serial import alone
from tegar.store.zones import Cluster, Zone
from tegar.wire.disk import PoolFacts


@dataclass(frozen=True)
class AddPool:
    """The pool as it shall be, with the uuid its row will have; of a cluster, or of the whole zone."""

    uuid: str
    name: str
    zone_id: int
    pod_id: int | None
    cluster_id: int | None
    hypervisor: str
    kind: str
    server: str
    path: str
    tags: str

    def spec(self) -> PoolSpec:
        """Return the pool as drivers know it."""
        return PoolSpec(self.uuid, PoolKind(self.kind), self.path, self.server)


Add = Run[Env, AddPool]


def record(run: Add) -> None:
    """Let every host open the pool, then write the row."""
    want, opened = run.params, dict[int, PoolFacts]()
    while missing := run.env.db.tx(lambda s: _record(s, want, opened)):
        for host in missing:
            try:
                opened[host.id] = PRIMARY[PoolKind(want.kind)].open(want.spec(), link(run, host.id))
            except NotYet:
                raise
            except TegarError as e:
                raise cannot(e, host.name, f"storage pool {want.name}") from e


def _record(s: Session, want: AddPool, opened: dict[int, PoolFacts]) -> list[Host]:
    """Write the row, or return the hosts that must open the pool first."""
    alone(s)
    if by_uuid(s, Pool, want.uuid):
        return []
    _may_be(s, want)
    found = up(s, want.zone_id, cluster_id=want.cluster_id, hypervisor=want.hypervisor)
    hosts = [h for h in found if h.resource_state == Resource.ENABLED]
    if not hosts:
        where = "cluster" if want.cluster_id else "zone"
        raise Refused(
            f"The {where} has no {want.hypervisor} host that is up and enabled to try the pool; add one first"
        )
    missing = [h for h in hosts if h.id not in opened]
    if missing:
        return missing
    facts = [opened[h.id] for h in hosts]
    row = Pool(
        uuid=want.uuid,
        zone_id=want.zone_id,
        pod_id=want.pod_id,
        cluster_id=want.cluster_id,
        name=want.name,
        kind=PoolKind(want.kind),
        server=want.server,
        path=want.path,
        scope="CLUSTER" if want.cluster_id else "ZONE",
        tags=want.tags,
        capacity_bytes=min(f.capacity_bytes for f in facts),
        used_bytes=max(f.used_bytes for f in facts),
    )
    s.add(row)
    s.flush()
    s.add(PoolUse(pool_id=row.id, allocated_bytes=0))
    return []


def _may_be(s: Session, want: AddPool) -> None:
    """Refuse a place that another pool has, and a zone or cluster that was deleted meanwhile."""
    same = select(Pool).where(
        Pool.zone_id == want.zone_id, Pool.server == want.server, Pool.path == want.path, live(Pool)
    )
    other = s.scalars(same).first()
    if other:
        raise Refused(f"Storage pool {other.name} ({other.uuid}) is at that place already")
    places = [s.get_one(Zone, want.zone_id), s.get(Cluster, want.cluster_id) if want.cluster_id else None]
    for place in places:
        if place is not None and place.removed_s:
            raise Refused(f"{place.name} was deleted while the storage pool was added")


def forget(run: Add) -> None:
    """Remove the row; what hosts have mounted does no harm."""

    def work(s: Session) -> None:
        row = by_uuid(s, Pool, run.params.uuid)
        if row is not None and not row.removed_s:
            row.removed_s = run.env.clock.now_s()
            s.execute(delete(PoolUse).where(PoolUse.pool_id == row.id))

    run.env.db.tx(work)


ADD_POOL = Saga[Env, AddPool]("pool.add", AddPool, Step(record, undo=forget, patience_s=8))
