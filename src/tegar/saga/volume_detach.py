"""Detach a volume from its VM."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS
from tegar.kernel.db import fire
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.spec import DiskSpec
from tegar.model.vm import State as VmState
from tegar.model.volume import Event, State
from tegar.saga.env import Env, link
from tegar.saga.spec import disk_spec
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class DetachVolume:
    """Which volume from which VM."""

    volume_id: int
    vm_id: int


Detach = Run[Env, DetachVolume]


def accepted(run: Detach) -> None:
    """Begin: the request made the volume Detaching."""


def stays(run: Detach) -> None:
    """The volume is attached as before."""

    def work(s: Session) -> None:
        volume = s.get_one(Volume, run.params.volume_id)
        if volume.state == State.DETACHING:
            fire(s, volume, Event.DETACH_FAILED)

    run.env.db.tx(work)


def unplug(run: Detach) -> None:
    """Unplug it from the running VM and wait until the guest let go."""
    vm, disk = run.env.db.read(lambda s: _what(s, run.params))
    if vm.state == VmState.RUNNING and vm.host_id is not None and disk is not None:
        HYPERVISORS[vm.hypervisor].detach(vm.uuid, disk, link(run, vm.host_id))


def plug_again(run: Detach) -> None:
    """Plug it in again, should it have gone."""
    vm, disk = run.env.db.read(lambda s: _what(s, run.params))
    if vm.state == VmState.RUNNING and vm.host_id is not None and disk is not None:
        HYPERVISORS[vm.hypervisor].attach(vm.uuid, disk, link(run, vm.host_id))


def _what(s: Session, params: DetachVolume) -> tuple[Vm, DiskSpec | None]:
    volume = s.get_one(Volume, params.volume_id)
    pool = s.get(Pool, volume.pool_id) if volume.pool_id else None
    return s.get_one(Vm, params.vm_id), disk_spec(volume, pool) if pool else None


def say_detached(run: Detach) -> None:
    """The volume is Ready and nobody's."""

    def work(s: Session) -> None:
        volume = s.get_one(Volume, run.params.volume_id)
        if volume.state == State.DETACHING:
            fire(s, volume, Event.DETACHED)
            volume.vm_id = volume.device_id = volume.attached_s = None

    run.env.db.tx(work)


DETACH_VOLUME = Saga[Env, DetachVolume](
    "volume.detach",
    DetachVolume,
    Step(accepted, undo=stays, nothing=True),
    Step(unplug, undo=plug_again),
    Step(say_detached),
)
