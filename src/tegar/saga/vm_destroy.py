"""Destroy a VM: it stops at once and can be recovered for a while, or is expunged right away.  Only forward."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import fire
from tegar.kernel.errors import NotYet
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import State as HostState
from tegar.model.spec import PoolSpec
from tegar.model.vm import Event, State
from tegar.model.volume import Event as DiskEvent
from tegar.model.volume import Kind
from tegar.model.volume import State as DiskState
from tegar.saga import nic_filters, nic_leave, place
from tegar.saga.env import Env, link
from tegar.saga.vm_stop import to_stopped
from tegar.store import affinity, networks, security_groups, volumes
from tegar.store.hosts import Host
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class DestroyVm:
    """Which VM, where it runs (None: nowhere), and whether nothing of it shall be left."""

    vm_id: int
    host_id: int | None
    expunge: bool
    volume_ids: tuple[int, ...] = ()


Destroy = Run[Env, DestroyVm]


def end_domain(run: Destroy) -> None:
    """End the domain at once, wherever it runs."""
    if run.params.host_id is not None:
        vm = run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id))
        place.stop(run, vm, run.params.host_id, 0)


def say_destroyed(run: Destroy) -> list[int]:
    """A VM that ran is Destroyed and holds no room; return its networks.

    One that did not run was Destroyed (or is Expunging) since the request: its owner may have
    recovered it, and then it is left alone.
    """

    def work(s: Session) -> list[int]:
        vm, now_s = s.get_one(Vm, run.params.vm_id), run.env.clock.now_s()
        if vm.state == State.STOPPING:
            to_stopped(s, vm, now_s)
            fire(s, vm, Event.DESTROY)
            vm.destroyed_s = vm.updated_s = now_s
            if run.params.expunge:
                fire(s, vm, Event.EXPUNGE)
        return [nic.network_id for nic in networks.nics_of(s, vm.id)]

    return run.env.db.tx(work)


@dataclass(frozen=True)
class DeadDisk:
    """A disk whose file goes."""

    volume_id: int
    volume_uuid: str
    pool: PoolSpec | None
    host_id: int | None


def delete_disks(run: Destroy) -> None:
    """Remove the root disk's file, and those of data disks that were named; other data disks are detached."""
    if not run.params.expunge:
        return
    for dead in run.env.db.tx(lambda s: _dead_disks(s, run.params.vm_id, set(run.params.volume_ids))):
        bury(run, dead)


def bury(run: Run[Env, DestroyVm], dead: DeadDisk) -> None:
    """Delete a disk's file and say so."""
    if dead.pool is not None and dead.host_id is not None:
        PRIMARY[dead.pool.kind].delete(dead.pool, dead.volume_uuid, link(run, dead.host_id))
    now_s = run.env.clock.now_s()
    run.env.db.tx(lambda s: expunged(s, dead.volume_id, now_s))


def expunged(s: Session, volume_id: int, now_s: float) -> None:
    """A volume whose file is gone gives its room back and is removed."""
    volume = s.get_one(Volume, volume_id)
    if volume.state == DiskState.EXPUNGING:
        volumes.release(s, volume)
        fire(s, volume, DiskEvent.EXPUNGED)
        volume.removed_s, volume.pool_id, volume.vm_id, volume.device_id = now_s, None, None, None


def dead_disk(s: Session, volume: Volume) -> DeadDisk:
    """Mark a volume as going and return what to delete and through which host."""
    had_file = volume.state not in (DiskState.ALLOCATED, DiskState.EXPUNGING) or volume.held_bytes > 0
    if volume.state in (DiskState.READY, DiskState.ALLOCATED):
        fire(s, volume, DiskEvent.DESTROY)
    if volume.state == DiskState.DESTROY:
        fire(s, volume, DiskEvent.EXPUNGE)
    pool = s.get(Pool, volume.pool_id) if volume.pool_id and had_file else None
    return DeadDisk(volume.id, volume.uuid, pool.spec() if pool else None, reach(s, pool) if pool else None)


def reach(s: Session, pool: Pool) -> int | None:
    """Return a host that reaches a pool: one that is up if there is any."""
    stmt = select(Host).where(Host.zone_id == pool.zone_id, Host.removed_s.is_(None))
    if pool.cluster_id is not None:
        stmt = stmt.where(Host.cluster_id == pool.cluster_id)
    rows = s.scalars(stmt.order_by(Host.id)).all()
    return min(rows, key=lambda h: (h.state != HostState.UP, h.id)).id if rows else None


def _dead_disks(s: Session, vm_id: int, also: set[int]) -> list[DeadDisk]:
    if s.get_one(Vm, vm_id).state != State.EXPUNGING:
        return []
    dead = []
    for volume in volumes.of_vm(s, vm_id):
        if volume.state in (DiskState.ATTACHING, DiskState.DETACHING):
            raise NotYet(f"The work on volume {volume.name}")
        if volume.kind == Kind.ROOT or volume.id in also:
            dead.append(dead_disk(s, volume))
        else:
            volume.vm_id = volume.device_id = volume.attached_s = None
    s.flush()
    return dead


def leave_networks(run: Destroy) -> None:
    """Give the addresses back and let the routers forget the VM."""
    if run.params.expunge:
        _leave_groups(run)
        run.env.db.tx(lambda s: _drop_nics(s, run.params.vm_id, run.env.clock.now_s()))
        nic_leave.tell_routers(run, run.result(say_destroyed))


def _leave_groups(run: Destroy) -> None:
    """Let the hosts of VMs that let this one in hear that it is going, before others can have its addresses."""
    if run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id).state == State.EXPUNGING):
        nic_filters.addresses_changed(run, run.params.vm_id)


def _drop_nics(s: Session, vm_id: int, now_s: float) -> None:
    if s.get_one(Vm, vm_id).state == State.EXPUNGING:
        security_groups.leave(s, vm_id)
        nic_leave.drop(s, networks.nics_of(s, vm_id), now_s)


def say_expunged(run: Destroy) -> None:
    """Nothing of the VM is left but its history."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.EXPUNGING:
            fire(s, vm, Event.EXPUNGED)
            affinity.leave(s, vm.id)
            vm.removed_s = run.env.clock.now_s()

    run.env.db.tx(work)


DESTROY_VM = Saga[Env, DestroyVm](
    "vm.destroy",
    DestroyVm,
    Step(end_domain, patience_s=60),
    Step(say_destroyed),
    Step(delete_disks, patience_s=60),
    Step(leave_networks),
    Step(say_expunged),
    forward_only=True,
)
