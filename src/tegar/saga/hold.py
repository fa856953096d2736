"""Choose a host (and pools for new disks) and take the room, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.affinity import STRICT
from tegar.model.errors import NoCapacity
from tegar.model.host import Resource, State
from tegar.model.settings import (
    CPU_OVERCOMMIT,
    HOST_MEMORY_RESERVED_BYTES,
    MEMORY_OVERCOMMIT,
    STORAGE_OVERCOMMIT,
)
from tegar.scheduler.place import place
from tegar.scheduler.view import DiskWant, GroupView, HostView, Mate, Placement, PoolView, Request
from tegar.store import affinity, hosts, vms, volumes
from tegar.store.hosts import Host, HostUse
from tegar.store.leases import HostLease
from tegar.store.offerings import DiskOffering, ServiceOffering
from tegar.store.pools import Pool, PoolUse
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Cluster

NO_TAGS: frozenset[str] = frozenset()


def words(text: str) -> frozenset[str]:
    """Return the tags of a comma-separated text."""
    return frozenset(t.strip() for t in text.split(",") if t.strip())


def limits(s: Session, host: Host) -> tuple[int, int]:
    """Return how much CPU (MHz) and memory (bytes) may be promised on a host."""
    cpu = host.cpus * host.cpu_mhz * CPU_OVERCOMMIT.of(s, "cluster", host.cluster_id)
    memory = (host.memory_bytes - HOST_MEMORY_RESERVED_BYTES.of(s)) * MEMORY_OVERCOMMIT.of(
        s, "cluster", host.cluster_id
    )
    return int(cpu), int(memory)


def pool_limit(s: Session, pool: Pool) -> int:
    """Return how many bytes may be promised on a pool."""
    return int(pool.capacity_bytes * STORAGE_OVERCOMMIT.of(s, "zone", pool.zone_id))


def pool_views(s: Session, zone_id: int) -> dict[int | None, list[PoolView]]:
    """Return a zone's pools by the cluster that reaches them; None: every cluster."""
    stmt = select(Pool, PoolUse.allocated_bytes).join(PoolUse, PoolUse.pool_id == Pool.id)
    found: dict[int | None, list[PoolView]] = defaultdict(list)
    for pool, allocated in s.execute(stmt.where(Pool.zone_id == zone_id, live(Pool))):
        view = PoolView(
            pool.id, pool.name, pool.state == "Up", pool_limit(s, pool) - allocated, words(pool.tags)
        )
        found[pool.cluster_id].append(view)
    return found


def host_views(s: Session, zone_id: int, cluster_id: int | None = None, *, now_s: float) -> list[HostView]:
    """Return the hosts of a zone, or of one cluster, as the scheduler sees them; a fixed number of queries."""
    stmt = (
        select(
            Host.id, Host.name, Host.hypervisor, Host.state, Host.resource_state, Host.cluster_id, Host.cpus,
            Host.cpu_mhz, Host.memory_bytes, Host.tags, HostUse.cpu_mhz.label("cpu_used"),
            HostUse.memory_bytes.label("memory_used"), HostLease.state.label("lease"),
            HostLease.quarantined_until_s,
        )
        .join(HostUse, HostUse.host_id == Host.id)
        .outerjoin(HostLease, HostLease.host_id == Host.id)
        .where(Host.zone_id == zone_id, live(Host))
        .order_by(Host.id)
    )  # fmt: skip
    if cluster_id is not None:
        stmt = stmt.where(Host.cluster_id == cluster_id)
    named = select(Cluster.id, Cluster.allocation).where(Cluster.zone_id == zone_id)
    clusters = {row.id: row.allocation for row in s.execute(named)}
    factors = {
        c: (CPU_OVERCOMMIT.of(s, "cluster", c), MEMORY_OVERCOMMIT.of(s, "cluster", c)) for c in clusters
    }
    reserved_bytes = HOST_MEMORY_RESERVED_BYTES.of(s)
    pools = pool_views(s, zone_id)
    reached = {c: tuple(pools[None] + pools[c]) for c in clusters}
    views = []
    for h in s.execute(stmt):
        cpu_factor, memory_factor = factors[h.cluster_id]
        views.append(
            HostView(
                id=h.id,
                name=h.name,
                hypervisor=h.hypervisor,
                up=h.state == State.UP and h.lease in (None, "live"),
                enabled=h.resource_state == Resource.ENABLED,
                cluster_enabled=clusters[h.cluster_id] == "Enabled",
                core_mhz=h.cpu_mhz,
                cores=h.cpus,
                free_cpu_mhz=int(h.cpus * h.cpu_mhz * cpu_factor) - h.cpu_used,
                free_memory_bytes=int((h.memory_bytes - reserved_bytes) * memory_factor) - h.memory_used,
                memory_bytes=h.memory_bytes,
                tags=words(h.tags) if h.tags else NO_TAGS,
                pools=reached[h.cluster_id],
                cluster_id=h.cluster_id,
                quarantined=(h.quarantined_until_s or 0.0) > now_s,
            )
        )
    return views


def request(s: Session, vm: Vm, *, only_host_id: int | None, not_host_id: int | None = None) -> Request:
    """Return what a VM needs of a host.

    Its strict affinity groups are written to: what they allow stays true until the transaction ends,
    and two VMs of one group are placed one after the other.
    """
    offering = s.get_one(ServiceOffering, vm.offering_id)
    return Request(
        cpus=vm.cpus,
        cpu_mhz=vm.cpu_mhz,
        memory_bytes=vm.memory_bytes,
        hypervisor=vm.hypervisor,
        host_tags=words(offering.host_tags),
        only_host_id=only_host_id,
        not_host_id=not_host_id,
        last_host_id=vm.last_host_id,
        disks=tuple(disk_want(s, v, offering) for v in volumes.of_vm(s, vm.id)),
        groups=group_views(s, vm),
    )


def group_views(s: Session, vm: Vm) -> tuple[GroupView, ...]:
    """Return the affinity groups of a VM as the scheduler sees them; a fixed number of queries."""
    groups = affinity.of_vm(s, vm.id)
    if not groups:
        return ()
    affinity.touch(s, [g.id for g in groups if g.kind in STRICT])  # before their VMs are looked at
    found = affinity.places(s, [g.id for g in groups], but_vm_id=vm.id)
    return tuple(GroupView(g.name, g.kind, tuple(Mate(name, at) for at, name in found[g.id])) for g in groups)


def disk_want(s: Session, volume: Volume, offering: ServiceOffering | None) -> DiskWant:
    """Return what a volume needs of a pool."""
    tags = offering.storage_tags if offering else ""
    if volume.offering_id is not None:
        tags = s.get_one(DiskOffering, volume.offering_id).tags
    return DiskWant(volume.id, volume.size_bytes, volume.pool_id, words(tags))


Choice = Callable[[Iterable[Placement]], Iterable[Placement]]


def take(s: Session, vm: Vm, wanted: Request, choice: Choice | None = None, *, now_s: float) -> Placement:
    """Take room on the best host that still has it.

    Others place at the same moment: the room is taken by a conditional update, and when it is
    gone the next best host is tried.

    Args:
        s: the transaction.
        vm: the VM.
        wanted: what it needs.
        choice: gives those places that may be taken, in the order to try, as the promise to survive failures
            wants it (``saga/promise.py``); by default all.
        now_s: the time, for quarantines end.

    Raises:
        NoCapacity: nowhere.
        PromiseBroken: *choice* allows none.
    """
    before = vm.epoch
    places: Iterable[Placement] = place(wanted, host_views(s, vm.zone_id, now_s=now_s))
    for placement in choice(places) if choice else places:
        host = s.get_one(Host, placement.host_id)
        cpu_limit, memory_limit = limits(s, host)
        got = hosts.hold(
            s,
            host,
            vm_id=vm.id,
            cpu_mhz=vm.cpus * vm.cpu_mhz,
            memory_bytes=vm.memory_bytes,
            cpu_limit_mhz=cpu_limit,
            memory_limit_bytes=memory_limit,
        )
        if not got:
            continue
        if vm.epoch == before:
            vms.raise_epoch(vm)
        if _take_pools(s, vm, placement):
            return placement
        hosts.release(s, vm_id=vm.id, host_id=host.id)
    raise NoCapacity("host", 1, {"every host": "was taken by others at the same moment; try again"})


def _take_pools(s: Session, vm: Vm, placement: Placement) -> bool:
    for volume in volumes.of_vm(s, vm.id):
        if volume.pool_id is None:
            pool = s.get_one(Pool, placement.pools[volume.id])
            if not volumes.hold(s, volume, pool.id, pool_limit(s, pool)):
                return False
    return True
