"""Volumes."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, named
from tegar.api.views.volume import VolumeView, volumes
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.volume import Kind, State
from tegar.ops import access, job
from tegar.ops import volume as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.hosts import Host
from tegar.store.offerings import DiskOffering
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone


class CreateVolume(Command):
    """Create a data volume."""

    name = "createVolume"
    is_async = True
    response = VolumeView
    entity = Volume
    view = staticmethod(volumes)

    name_: str | None = param("its name", default=None, wire="name")
    disk_offering_id: DiskOffering | None = param("what kind of disk", default=None)
    size: int | None = param("size of a custom disk, in GB", default=None)
    zone_id: Zone | None = param("where", default=None)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)
    display_volume: bool | None = param("show it to users", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.disk_offering_id is None:
            raise MissingParameter(self.name.lower(), "diskofferingid")
        if self.zone_id is None:
            raise MissingParameter(self.name.lower(), "zoneid")
        owner = access.owner(ctx, self.account, self.domain_id)
        volume = ops.create(
            ctx, owner, self.zone_id, self.disk_offering_id, name=self.name_, size_gb=self.size
        )
        if self.display_volume is not None:
            volume.display_volume = self.display_volume
        return job.done(ctx, volume)


class ListVolumes(OwnedList):
    """List volumes."""

    name = "listVolumes"
    response = VolumeView
    view = staticmethod(volumes)

    id: Volume | None = param("the volume", default=None)
    ids: list[Volume] | None = param("these volumes", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    type: str | None = param("ROOT or DATADISK", default=None, choices=("ROOT", "DATADISK"))
    state: str | None = param("in this state", default=None)
    virtual_machine_id: Vm | None = param("of this virtual machine", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    disk_offering_id: DiskOffering | None = param("of this offering", default=None)
    storage_id: Pool | None = param("on this pool", default=None, roles=ADMIN)
    host_id: Host | None = param("of VMs on this host", default=None, roles=ADMIN)
    display_volume: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> Page[Volume]:
        by_id = self.id is not None or self.ids is not None
        stmt = select(Volume).where(self.scope(ctx, Volume, by_id=by_id), live(Volume)).order_by(Volume.id)
        for column, row in (
            (Volume.id, self.id), (Volume.vm_id, self.virtual_machine_id), (Volume.zone_id, self.zone_id),
            (Volume.offering_id, self.disk_offering_id), (Volume.pool_id, self.storage_id),
        ):  # fmt: skip
            if row is not None:
                stmt = stmt.where(column == row.id)
        if self.ids is not None:
            stmt = stmt.where(Volume.id.in_([v.id for v in self.ids]))
        if self.name_:
            stmt = stmt.where(Volume.name == self.name_)
        if self.type:
            stmt = stmt.where(Volume.kind == Kind(self.type))
        if self.state:
            stmt = stmt.where(Volume.state.in_(named(State, self.state)))
        if self.host_id is not None:
            stmt = stmt.where(Volume.vm_id.in_(select(Vm.id).where(Vm.host_id == self.host_id.id)))
        if self.display_volume is not None:
            stmt = stmt.where(Volume.display_volume.is_(self.display_volume))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Volume.name))
        return self.fetch(ctx, stmt)


class AttachVolume(Command):
    """Attach a data volume to a virtual machine."""

    name = "attachVolume"
    is_async = True
    response = VolumeView
    entity = Volume
    view = staticmethod(volumes)

    id: Volume = param("the volume")
    virtual_machine_id: Vm = param("the virtual machine")
    device_id: int | None = param("its place, from 1 to 15; by default the first free one", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.attach(ctx, self.id, self.virtual_machine_id, device_id=self.device_id)


class DetachVolume(Command):
    """Detach a data volume from its virtual machine."""

    name = "detachVolume"
    is_async = True
    response = VolumeView
    entity = Volume
    view = staticmethod(volumes)

    id: Volume | None = param("the volume", default=None)
    virtual_machine_id: Vm | None = param("or its virtual machine", default=None)
    device_id: int | None = param("and its place there", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.detach(ctx, self.id, self.virtual_machine_id, device_id=self.device_id)


class DeleteVolume(Command):
    """Delete a data volume that no virtual machine has."""

    name = "deleteVolume"

    id: Volume = param("the volume")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


COMMANDS = (CreateVolume, ListVolumes, AttachVolume, DetachVolume, DeleteVolume)
