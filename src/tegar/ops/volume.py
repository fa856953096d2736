"""Volumes."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import fire
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import InUse
from tegar.model.settings import CUSTOM_ROOT_DISK_MAX_GB
from tegar.model.units import GIB
from tegar.model.vm import State as VmState
from tegar.model.volume import Event, Kind, State
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.deploy import disk_size
from tegar.saga.volume_attach import ATTACH_VOLUME, AttachVolume
from tegar.saga.volume_delete import DELETE_VOLUME, DeleteVolume
from tegar.saga.volume_detach import DETACH_VOLUME, DetachVolume
from tegar.store import volumes
from tegar.store.accounts import Account
from tegar.store.offerings import DiskOffering
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone

MAX_DEVICE_ID = 15  # as many disks as fit without another bus


def create(
    ctx: Ctx, owner: Account, zone: Zone, offering: DiskOffering, *, name: str | None, size_gb: int | None
) -> Volume:
    """Make a data volume; its file is made when it is first attached.

    Raises:
        Refused: the size is missing, not wanted or too large; the zone is disabled.
    """
    if zone.allocation != "Enabled" and not ctx.is_admin:
        raise Refused(f"Zone {zone.name} is disabled")
    limit_gb = CUSTOM_ROOT_DISK_MAX_GB.of(ctx.s)
    if size_gb is not None and not 1 <= size_gb <= limit_gb:
        raise Refused(f"size must be between 1 and {limit_gb} GB")
    volume = Volume(
        name=name or "",
        kind=Kind.DATADISK,
        account_id=owner.id,
        domain_id=owner.domain_id,
        zone_id=zone.id,
        offering_id=offering.id,
        size_bytes=disk_size(offering, size_gb * GIB if size_gb else None),
    )
    ctx.s.add(volume)
    ctx.s.flush()
    volume.name = volume.name or f"DATA-{volume.uuid}"
    ctx.note("VOLUME.CREATE", f"Created volume {volume.name}", volume)
    return volume


def attach(ctx: Ctx, volume: Volume, vm: Vm, *, device_id: int | None) -> SagaRow:
    """Ask for a volume to be plugged into a VM.

    Raises:
        Refused: a root volume, one that has a VM, another zone or account, a taken place.
        BadTransition: the volume is busy.
    """
    must_operate(ctx, volume)
    must_operate(ctx, vm)
    if volume.kind == Kind.ROOT:
        raise Refused("A root volume belongs to its VM and is not attached to others")
    if volume.vm_id is not None:
        raise Refused(f"Volume {volume.name} is attached already; detach it first")
    if volume.account_id != vm.account_id:
        raise Refused("The volume and the VM belong to different accounts")
    if volume.zone_id != vm.zone_id:
        raise Refused("The volume and the VM are in different zones")
    if vm.state not in (VmState.RUNNING, VmState.STOPPED):
        raise Refused(f"VM {vm.name} is {vm.state.value}; it must be Running or Stopped")
    fresh = volume.state == State.ALLOCATED
    fire(ctx.s, volume, Event.ATTACH)
    volume.vm_id, volume.device_id = vm.id, _place(ctx, vm, device_id)
    _lock(vm, ctx)
    ctx.note("VOLUME.ATTACH", f"Attaching volume {volume.name} to VM {vm.name}", volume, state="Started")
    return ATTACH_VOLUME.submit(ctx.s, AttachVolume(volume.id, vm.id, fresh), ctx.job(volume))


def _place(ctx: Ctx, vm: Vm, device_id: int | None) -> int:
    taken = {v.device_id for v in volumes.of_vm(ctx.s, vm.id)}
    if device_id is None:
        free = next((i for i in range(1, MAX_DEVICE_ID + 1) if i not in taken), None)
        if free is None:
            raise Refused(f"VM {vm.name} has {MAX_DEVICE_ID} data volumes, which is the most")
        return free
    if not 1 <= device_id <= MAX_DEVICE_ID:
        raise Refused(f"deviceid must be between 1 and {MAX_DEVICE_ID}; 0 is the root disk")
    if device_id in taken:
        raise Refused(f"Device {device_id} of VM {vm.name} is taken")
    return device_id


def _lock(vm: Vm, ctx: Ctx) -> None:
    """Make two attaches to one VM at the same moment meet: the later one is run again and sees the first."""
    vm.updated_s = ctx.now_s
    ctx.s.flush()


def detach(ctx: Ctx, volume: Volume | None, vm: Vm | None, *, device_id: int | None) -> SagaRow:
    """Ask for a volume to be unplugged; named by its id, or by its VM and place.

    Raises:
        Refused: not attached, a root volume, or nothing is there.
    """
    if volume is None:
        if vm is None or device_id is None:
            raise Refused("Give id, or virtualmachineid and deviceid")
        stmt = select(Volume).where(Volume.vm_id == vm.id, Volume.device_id == device_id)
        volume = ctx.s.scalars(stmt.where(Volume.removed_s.is_(None))).first()
        if volume is None:
            raise Refused(f"VM {vm.name} has no volume at device {device_id}")
    must_operate(ctx, volume)
    if volume.vm_id is None:
        raise Refused(f"Volume {volume.name} is not attached to a VM")
    if volume.kind == Kind.ROOT:
        raise Refused("A root volume cannot be detached")
    fire(ctx.s, volume, Event.DETACH)
    ctx.note("VOLUME.DETACH", f"Detaching volume {volume.name}", volume, state="Started")
    return DETACH_VOLUME.submit(ctx.s, DetachVolume(volume.id, volume.vm_id), ctx.job(volume))


def delete(ctx: Ctx, volume: Volume) -> SagaRow:
    """Ask for a volume and its file to go.

    Raises:
        InUse: a VM has it.
        BadTransition: it is busy.
    """
    must_operate(ctx, volume)
    if volume.vm_id is not None:
        raise InUse(f"Volume {volume.name}", "it is attached to a VM; detach it first")
    fire(ctx.s, volume, Event.DESTROY)
    ctx.note("VOLUME.DELETE", f"Deleting volume {volume.name}", volume)
    return DELETE_VOLUME.submit(ctx.s, DeleteVolume(volume.id), ctx.job(volume))
