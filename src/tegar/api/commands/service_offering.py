"""Service offerings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from tegar.api.commands.base import Success
from tegar.api.commands.offered import OfferedList
from tegar.api.views.service_offering import ServiceOfferingView, service_offerings
from tegar.kernel.command import ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, matches
from tegar.model.units import GIB, MIB
from tegar.ops import access
from tegar.ops import service_offering as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm
from tegar.store.zones import Zone

_MOST = 2**31 - 1
_ONLY = "only {} in this cloud"


class CreateServiceOffering(Command):
    """Create a service offering: CPU, memory and the like of VMs."""

    name = "createServiceOffering"
    roles = ADMINS
    response = ServiceOfferingView
    view = staticmethod(service_offerings)

    name_: str = param("its name", wire="name")
    display_text: str | None = param("its description; by default the name", default=None, max_length=1024)
    cpu_number: int | None = param("number of CPUs", default=None, low=1, high=_MOST)
    cpu_speed: int | None = param("MHz of a CPU", default=None, low=1, high=_MOST)
    memory: int | None = param("memory in MB", default=None, low=1, high=_MOST)
    customized: bool | None = param("whether whoever deploys says how large", default=None)
    min_cpu_number: int | None = param("least CPUs of a customized one", default=None, low=1, high=_MOST)
    max_cpu_number: int | None = param("most CPUs of a customized one", default=None, low=1, high=_MOST)
    min_memory: int | None = param("least MB of a customized one", default=None, low=1, high=_MOST)
    max_memory: int | None = param("most MB of a customized one", default=None, low=1, high=_MOST)
    offer_ha: bool = param("whether VMs are started again elsewhere when their host fails", default=False)
    limit_cpu_use: bool = param("whether VMs get no more CPU than that even when more is idle", default=False)
    host_tags: str | None = param("only on hosts with these tags", default=None)
    tags: str | None = param("root disks only on pools with these tags", default=None)
    root_disk_size: int | None = param("size of root disks in GB", default=None, low=0, high=_MOST)
    domain_id: list[Domain] | None = param("only for these domains and those below", default=None)
    zone_id: list[Zone] | None = param("only in these zones", default=None)

    storage_type: str = param(_ONLY.format("shared"), default="shared", choices=("shared", "local"))
    provisioning_type: str = param(_ONLY.format("thin"), default="thin")
    cache_mode: str = param(_ONLY.format("none"), default="none")
    deployment_planner: str = param(_ONLY.format("FirstFitPlanner"), default="FirstFitPlanner")
    network_rate: int | None = param(_ONLY.format("-1, without limit"), default=None)
    is_system: bool = param(_ONLY.format("false"), default=False)
    is_volatile: bool = param(_ONLY.format("false"), default=False)
    customized_iops: bool = param(_ONLY.format("false"), default=False)
    dynamic_scaling_enabled: bool = param(_ONLY.format("false"), default=False)
    disk_offering_strictness: bool = param(_ONLY.format("false"), default=False)
    encrypt_root: bool = param(_ONLY.format("false"), default=False)
    purge_resources: bool = param(_ONLY.format("false"), default=False)

    def run(self, ctx: Ctx) -> ServiceOffering:
        self._refuse_what_is_not_done()
        size = ops.Size(
            cpus=self.cpu_number,
            cpu_mhz=self.cpu_speed,
            memory_mib=self.memory,
            custom=self.customized,
            min_cpus=self.min_cpu_number,
            max_cpus=self.max_cpu_number,
            min_memory_mib=self.min_memory,
            max_memory_mib=self.max_memory,
        )
        offering = ServiceOffering(
            name=self.name_,
            display_text=self.display_text or self.name_,
            ha=self.offer_ha,
            limit_cpu=self.limit_cpu_use,
            host_tags=self.host_tags or "",
            storage_tags=self.tags or "",
            root_disk_bytes=self.root_disk_size * GIB if self.root_disk_size else None,
            domain_ids=ops.id_list(self.domain_id or []),
            zone_ids=ops.id_list(self.zone_id or []),
        )
        return ops.create(ctx, offering, size)

    def _refuse_what_is_not_done(self) -> None:
        """Refuse values of parameters of which this cloud knows only one."""
        if self.storage_type == "local":
            raise Refused("VMs of this cloud live on shared storage, so that they survive their host")
        only: dict[str, tuple[Any, Any]] = {
            "provisioningtype": (self.provisioning_type.lower(), "thin"),
            "cachemode": (self.cache_mode.lower(), "none"),
            "deploymentplanner": (self.deployment_planner, "FirstFitPlanner"),
            "networkrate": (max(self.network_rate or 0, 0), 0),
            "issystem": (self.is_system, False),
            "isvolatile": (self.is_volatile, False),
            "customizediops": (self.customized_iops, False),
            "dynamicscalingenabled": (self.dynamic_scaling_enabled, False),
            "diskofferingstrictness": (self.disk_offering_strictness, False),
            "encryptroot": (self.encrypt_root, False),
            "purgeresources": (self.purge_resources, False),
        }
        for name, (given, done) in only.items():
            if given not in (done, ""):
                shown = str(done).lower() if isinstance(done, bool) else done
                raise Refused(f"createServiceOffering supports only {name}={shown} in this cloud")


class ListServiceOfferings(OfferedList):
    """List service offerings."""

    name = "listServiceOfferings"
    response = ServiceOfferingView
    view = staticmethod(service_offerings)

    id: ServiceOffering | None = param("the offering", default=None)
    virtual_machine_id: Vm | None = param("those that this VM could change to", default=None)
    is_system: bool = param("those of system VMs, of which there are none", default=False)
    system_vm_type: str | None = param("those of system VMs, of which there are none", default=None)
    cpu_number: int | None = param("those that can have so many CPUs", default=None)
    cpu_speed: int | None = param("those that can have CPUs of so many MHz", default=None)
    memory: int | None = param("those that can have so much memory, in MB", default=None)
    encrypt_root: bool = param("those with encrypted root disks, of which there are none", default=False)

    def run(self, ctx: Ctx) -> Page[ServiceOffering]:
        o = ServiceOffering
        stmt = select(o).where(live(o), access.visible(ctx, o)).order_by(o.id)
        domain, vm = self.audience(ctx), self.virtual_machine_id
        if domain:
            stmt = stmt.where(or_(o.domain_ids == "", o.domain_ids.contains(f",{domain.id},")))
        if self.zone_id:
            stmt = stmt.where(or_(o.zone_ids == "", o.zone_ids.contains(f",{self.zone_id.id},")))
        if self.is_system or self.system_vm_type or self.encrypt_root or (self.state or "Active") != "Active":
            stmt = stmt.where(false())
        if self.id:
            stmt = stmt.where(o.id == self.id.id)
        if self.name_:
            stmt = stmt.where(o.name == self.name_)
        if self.storage_type:
            stmt = stmt.where(o.storage_type == self.storage_type.lower())
        if vm:
            own = ctx.s.get_one(o, vm.offering_id)
            stmt = stmt.where(o.id != own.id, o.storage_type == own.storage_type)
            stmt = stmt.where(or_(o.zone_ids == "", o.zone_ids.contains(f",{vm.zone_id},")))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, o.name, o.display_text))
        return self.fetch(ctx, stmt.where(*self._sizes()))

    def _sizes(self) -> list[ColumnElement[bool]]:
        o, found = ServiceOffering, []
        if self.cpu_number is not None:
            found.append(_can(o.cpus, self.cpu_number, o.min_cpus, o.max_cpus))
        if self.memory is not None:
            found.append(_can(o.memory_bytes, self.memory * MIB, o.min_memory_bytes, o.max_memory_bytes))
        if self.cpu_speed is not None:
            found.append(or_(o.cpu_mhz == self.cpu_speed, o.cpu_mhz.is_(None)))
        return found


def _can(fixed: Any, wanted: int, least: Any, most: Any) -> ColumnElement[bool]:
    """Return the condition that an offering has so much, or lets one choose so much."""
    free = and_(ServiceOffering.custom.is_(True), or_(least.is_(None), and_(least <= wanted, most >= wanted)))
    return or_(fixed == wanted, free)


class DeleteServiceOffering(Command):
    """Delete a service offering; VMs that have it keep it."""

    name = "deleteServiceOffering"
    roles = ADMINS

    id: ServiceOffering = param("the offering")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (CreateServiceOffering, ListServiceOfferings, DeleteServiceOffering)
