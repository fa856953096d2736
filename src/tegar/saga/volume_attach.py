"""Attach a volume to a VM: made on first use, plugged in when the VM runs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS, PRIMARY
from tegar.kernel.db import fire
from tegar.kernel.errors import Unavailable
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import NoCapacity
from tegar.model.host import State as HostState
from tegar.model.spec import DiskSpec, PoolKind
from tegar.model.vm import State as VmState
from tegar.model.volume import Event, State
from tegar.saga import hold
from tegar.saga.env import Env, link
from tegar.saga.spec import disk_spec
from tegar.scheduler.pools import place_disks
from tegar.store import hosts, volumes
from tegar.store.hosts import Host
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class AttachVolume:
    """Which volume to which VM; ``fresh`` when it has no file yet."""

    volume_id: int
    vm_id: int
    fresh: bool


Attach = Run[Env, AttachVolume]


def accepted(run: Attach) -> None:
    """Begin: the request gave the volume its VM and its place in it."""


def not_attached(run: Attach) -> None:
    """The volume is nobody's again."""

    def work(s: Session) -> None:
        volume = s.get_one(Volume, run.params.volume_id)
        if volume.state == State.ATTACHING:
            fire(s, volume, Event.CREATE_FAILED if run.params.fresh else Event.ATTACHED)
            volume.vm_id = volume.device_id = None

    run.env.db.tx(work)


def hold_pool(run: Attach) -> int:
    """Choose a pool that the VM's hosts reach and take the room; return the host that works on it."""

    def work(s: Session) -> int:
        volume, vm = s.get_one(Volume, run.params.volume_id), s.get_one(Vm, run.params.vm_id)
        host = _near(s, vm)
        if volume.pool_id is None:
            reached = hold.pool_views(s, vm.zone_id)
            views = reached[None] + reached[host.cluster_id]
            chosen, why = place_disks([hold.disk_want(s, volume, None)], views)
            if why:
                raise NoCapacity("storage pool", len(views), {host.name: why})
            pool = s.get_one(Pool, chosen[volume.id])
            if not volumes.hold(s, volume, pool.id, hold.pool_limit(s, pool)):
                raise NoCapacity("storage pool", len(views), {pool.name: "was filled by others; try again"})
        return host.id

    return run.env.db.tx(work)


def _near(s: Session, vm: Vm) -> Host:
    """Return the VM's host, else where it ran last, else any that is up in its zone."""
    for host_id in (vm.host_id, vm.last_host_id):
        host = s.get(Host, host_id) if host_id else None
        if host is not None and not host.removed_s and host.state == HostState.UP:
            return host
    up = [h for h in hosts.in_zone(s, vm.zone_id) if h.state == HostState.UP]
    if not up:
        raise Unavailable("Every host of the zone", "none answers")
    return up[0]


def free_pool(run: Attach) -> None:
    """Give the room back, if the volume had none before."""

    def work(s: Session) -> None:
        volume = s.get_one(Volume, run.params.volume_id)
        if run.params.fresh:
            volumes.release(s, volume)
            volume.pool_id = None

    run.env.db.tx(work)


def make_disk(run: Attach) -> int:
    """Make the file if there is none; return its size on storage."""
    disk = _disk(run)
    via = link(run, run.result(hold_pool))
    return (
        PRIMARY[PoolKind(disk.pool.kind)]
        .create(disk.pool, disk.volume_uuid, disk.size_bytes, "", via)
        .physical_bytes
    )


def delete_disk(run: Attach) -> None:
    """Remove the file that this made."""
    if run.params.fresh:
        disk = _disk(run)
        PRIMARY[PoolKind(disk.pool.kind)].delete(
            disk.pool, disk.volume_uuid, link(run, run.result(hold_pool))
        )


def plug(run: Attach) -> None:
    """Plug it into the running VM; a stopped one finds it at its next start."""
    vm = _vm(run)
    if vm.state == VmState.RUNNING and vm.host_id is not None:
        HYPERVISORS[vm.hypervisor].attach(vm.uuid, _disk(run), link(run, vm.host_id))


def unplug(run: Attach) -> None:
    """Unplug it."""
    vm = _vm(run)
    if vm.state == VmState.RUNNING and vm.host_id is not None:
        HYPERVISORS[vm.hypervisor].detach(vm.uuid, _disk(run), link(run, vm.host_id))


def say_attached(run: Attach) -> None:
    """The volume is Ready, on its VM."""

    def work(s: Session) -> None:
        volume = s.get_one(Volume, run.params.volume_id)
        if volume.state == State.ATTACHING:
            volume.attached_s = run.env.clock.now_s()
            volume.physical_bytes = run.result(make_disk)
            fire(s, volume, Event.ATTACHED)

    run.env.db.tx(work)


def _vm(run: Attach) -> Vm:
    return run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id))


def _disk(run: Attach) -> DiskSpec:
    def work(s: Session) -> DiskSpec:
        volume = s.get_one(Volume, run.params.volume_id)
        return disk_spec(volume, s.get_one(Pool, volume.pool_id))

    return run.env.db.read(work)


ATTACH_VOLUME = Saga[Env, AttachVolume](
    "volume.attach",
    AttachVolume,
    Step(accepted, undo=not_attached, nothing=True),
    Step(hold_pool, undo=free_pool),
    Step(make_disk, undo=delete_disk),
    Step(plug, undo=unplug),
    Step(say_attached),
)
