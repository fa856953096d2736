"""Virtual machines: start, stop, move, end, change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, Plain, named
from tegar.api.views.vm import VmView, vms
from tegar.kernel.command import ADMIN, ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.vm import State
from tegar.ops import access, deploy, security_group
from tegar.ops import vm as ops
from tegar.ops.ctx import Ctx
from tegar.store.affinity import AffinityGroup, AffinityMember
from tegar.store.hosts import Host
from tegar.store.images import Template
from tegar.store.networks import Network, Nic
from tegar.store.offerings import ServiceOffering
from tegar.store.pools import Pool
from tegar.store.security_groups import SecurityGroup, SecurityMember
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Cluster, Pod, Zone


class ListVirtualMachines(OwnedList):
    """List virtual machines."""

    name = "listVirtualMachines"
    response = VmView
    view = staticmethod(vms)

    id: Vm | None = param("the virtual machine", default=None)
    ids: list[Vm] | None = param("these virtual machines", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    state: str | None = param("in this state; Present: not destroyed", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    pod_id: Pod | None = param("in this pod", default=None, roles=ADMIN)
    cluster_id: Cluster | None = param("in this cluster", default=None, roles=ADMIN)
    host_id: Host | None = param("on this host", default=None, roles=ADMIN)
    storage_id: Pool | None = param("with a disk on this pool", default=None, roles=ADMIN)
    template_id: Template | None = param("made from this template", default=None)
    service_offering_id: ServiceOffering | None = param("of this offering", default=None)
    network_id: Network | None = param("with a NIC in this network", default=None)
    hypervisor: str | None = param("of this hypervisor", default=None)
    key_pair: str | None = param("with this SSH key", default=None)
    group_id: str | None = param("groups have no ids here: matches nothing", default=None)
    affinity_group_id: AffinityGroup | None = param("in this affinity group", default=None)
    security_group_id: SecurityGroup | None = param("in this security group", default=None)
    ha_enable: bool | None = param("with high availability or without", default=None, roles=ADMINS)
    display_vm: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)
    user_data: bool | None = param("with id: show its user data too", default=None)
    details: list[str] | None = param("which details to show; all are shown", default=None)
    for_virtual_network: bool | None = param("true: in isolated networks", default=None)

    def run(self, ctx: Ctx) -> Page[Vm] | Plain:
        by_id = self.id is not None or self.ids is not None
        stmt = select(Vm).where(self.scope(ctx, Vm, by_id=by_id), live(Vm)).order_by(Vm.id)
        for column, row in (
            (Vm.id, self.id), (Vm.zone_id, self.zone_id), (Vm.template_id, self.template_id),
            (Vm.offering_id, self.service_offering_id), (Vm.host_id, self.host_id),
        ):  # fmt: skip
            if row is not None:
                stmt = stmt.where(column == row.id)
        if self.name_:
            stmt = stmt.where(Vm.name == self.name_)
        if self.hypervisor:
            stmt = stmt.where(Vm.hypervisor == self.hypervisor)
        found: Page[Vm] = self.fetch(ctx, self._more(stmt))
        if self.user_data and self.id is not None and found.rows:
            (shown,) = vms(ctx, found.rows)
            shown["userdata"] = self.id.user_data
            return Plain({"count": 1, "virtualmachine": [shown]})
        return found

    def _more(self, stmt: Any) -> Any:
        if self.ids is not None:
            stmt = stmt.where(Vm.id.in_([v.id for v in self.ids]))
        if self.state and self.state.lower() == "present":
            stmt = stmt.where(Vm.state.not_in([State.DESTROYED, State.EXPUNGING, State.EXPUNGED]))
        elif self.state:
            stmt = stmt.where(Vm.state.in_(named(State, self.state)))
        if self.pod_id is not None:
            stmt = stmt.where(Vm.host_id.in_(select(Host.id).where(Host.pod_id == self.pod_id.id)))
        if self.cluster_id is not None:
            stmt = stmt.where(Vm.host_id.in_(select(Host.id).where(Host.cluster_id == self.cluster_id.id)))
        if self.storage_id is not None:
            stmt = stmt.where(Vm.id.in_(select(Volume.vm_id).where(Volume.pool_id == self.storage_id.id)))
        if self.network_id is not None:
            stmt = stmt.where(
                Vm.id.in_(select(Nic.vm_id).where(Nic.network_id == self.network_id.id, live(Nic)))
            )
        if self.affinity_group_id is not None:
            members = select(AffinityMember.vm_id)
            stmt = stmt.where(Vm.id.in_(members.where(AffinityMember.group_id == self.affinity_group_id.id)))
        if self.security_group_id is not None:
            guarded = select(SecurityMember.vm_id)
            stmt = stmt.where(Vm.id.in_(guarded.where(SecurityMember.group_id == self.security_group_id.id)))
        if self.key_pair:
            stmt = stmt.where(("," + Vm.key_names + ",").contains(f",{self.key_pair},", autoescape=True))
        if self.ha_enable is not None:
            stmt = stmt.where(Vm.ha.is_(self.ha_enable))
        if self.display_vm is not None:
            stmt = stmt.where(Vm.display_vm.is_(self.display_vm))
        if self.group_id or self.for_virtual_network:
            stmt = stmt.where(Vm.id < 0)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Vm.name, Vm.display_name, Vm.instance_name))
        return stmt


class _OnVm(Command):
    """What changes one VM in a job."""

    is_async = True
    response = VmView
    entity = Vm
    view = staticmethod(vms)


class StartVirtualMachine(_OnVm):
    """Start a stopped virtual machine."""

    name = "startVirtualMachine"

    id: Vm = param("the virtual machine to start")
    host_id: Host | None = param("start it on this host", roles=ADMIN, default=None)
    consider_last_host: bool | None = param(
        "prefer where it ran last, which is so anyway", default=None, roles=ADMIN
    )

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.start(ctx, self.id, on=self.host_id)


class StopVirtualMachine(_OnVm):
    """Stop a running virtual machine."""

    name = "stopVirtualMachine"

    id: Vm = param("the virtual machine to stop")
    forced: bool = param("end it without asking the guest", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.stop(ctx, self.id, forced=self.forced)


class RebootVirtualMachine(_OnVm):
    """Reboot a running virtual machine."""

    name = "rebootVirtualMachine"

    id: Vm = param("the virtual machine to reboot")
    forced: bool = param("do not ask the guest to shut down first", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.reboot(ctx, self.id, forced=self.forced)


class MigrateVirtualMachine(_OnVm):
    """Move a running virtual machine to another host, live."""

    name = "migrateVirtualMachine"
    roles = ADMIN

    virtual_machine_id: Vm = param("the virtual machine to move")
    host_id: Host | None = param("where to; by default the scheduler chooses", default=None)
    auto_select: bool | None = param("let the scheduler choose", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.migrate(ctx, self.virtual_machine_id, to=self.host_id)


class SettleVirtualMachine(_OnVm):
    """Let a virtual machine start again of which the witnesses know a later start than the database.

    Every host of its zone must say that it has no copy of it, or be proven dead.
    """

    name = "settleVirtualMachine"
    roles = ADMIN
    envelope = "virtualmachine"

    id: Vm = param("the virtual machine in dispute")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.settle(ctx, self.id)


class DestroyVirtualMachine(_OnVm):
    """Destroy a virtual machine; it can be recovered until it is expunged."""

    name = "destroyVirtualMachine"

    id: Vm = param("the virtual machine to destroy")
    expunge: bool = param("leave nothing of it, at once", default=False)
    volume_ids: list[Volume] | None = param(
        "data volumes to delete with it; only when it is expunged", default=None
    )

    def run(self, ctx: Ctx) -> SagaRow:
        if self.volume_ids and not self.expunge:
            raise Refused("volumeids needs expunge=true: data volumes of a VM that can be recovered are kept")
        return ops.destroy(ctx, self.id, expunge=self.expunge, volumes_too=self.volume_ids or [])


class RecoverVirtualMachine(Command):
    """Bring a destroyed virtual machine back."""

    name = "recoverVirtualMachine"
    response = VmView
    view = staticmethod(vms)

    id: Vm = param("the virtual machine to recover")

    def run(self, ctx: Ctx) -> Vm:
        return ops.recover(ctx, self.id)


class ExpungeVirtualMachine(Command):
    """Remove a destroyed virtual machine and its disks for good."""

    name = "expungeVirtualMachine"
    is_async = True

    id: Vm = param("the virtual machine to expunge")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.expunge(ctx, self.id)


class UpdateVirtualMachine(Command):
    """Change what is said of a virtual machine."""

    name = "updateVirtualMachine"
    response = VmView
    view = staticmethod(vms)

    id: Vm = param("the virtual machine")
    display_name: str | None = param("another name to show", default=None)
    name_: str | None = param("another host name, from the next start on", default=None, wire="name")
    group: str | None = param("put it in this group", default=None)
    ha_enable: bool | None = param("restart it when its host fails, whatever its offering says", default=None)
    user_data: str | None = param("other user data, in base64", default=None, max_length=deploy.MAX_USER_DATA)
    details: dict[str, str] | None = param(
        "other details, in place of all; ha.priority, ha.ready, ha.ready.timeout, ha.guest.action and ha.depends.on "
        "say how it is restarted",
        default=None,
    )
    cleanup_details: bool = param("remove all details", default=False)
    display_vm: bool | None = param("show it to users", default=None, roles=ADMIN)
    delete_protection: bool | None = param("refuse to destroy it", default=None)
    security_group_ids: list[SecurityGroup] | None = param(
        "be in these security groups and no others; it must be Stopped", default=None
    )
    security_group_names: list[str] | None = param("or their names, in the VM's account", default=None)

    def run(self, ctx: Ctx) -> Vm:
        vm = self.id
        access.must_operate(ctx, vm)
        security_group.change(ctx, vm, self.security_group_ids, self.security_group_names)
        if self.name_ and self.name_ != vm.name:
            ops.rename(ctx, vm, self.name_)
        if self.user_data is not None:
            vm.user_data = deploy.check_user_data(self.user_data) or None
            ops.tell_routers(ctx, vm)
        for attribute, value in (
            ("display_name", self.display_name), ("group", self.group),
            ("display_vm", self.display_vm), ("delete_protection", self.delete_protection),
        ):  # fmt: skip
            if value is not None:
                setattr(vm, attribute, value)
        if self.ha_enable is not None:
            ops.set_ha(ctx, vm, self.ha_enable)
        ops.set_details(ctx, vm, self.details, cleanup=self.cleanup_details)
        vm.updated_s = ctx.now_s
        ctx.note("VM.UPDATE", f"Changed VM {vm.name}", vm)
        return vm


COMMANDS = (
    ListVirtualMachines,
    StartVirtualMachine,
    StopVirtualMachine,
    RebootVirtualMachine,
    MigrateVirtualMachine,
    SettleVirtualMachine,
    DestroyVirtualMachine,
    RecoverVirtualMachine,
    ExpungeVirtualMachine,
    UpdateVirtualMachine,
)
