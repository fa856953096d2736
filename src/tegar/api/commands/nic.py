"""Interfaces of VMs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.deploy import check_mac
from tegar.api.commands.where import only
from tegar.api.views.nic import NicAddressView, NicView, nic_addresses, nics
from tegar.api.views.vm import VmView, vms
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import nic as ops
from tegar.ops.ctx import Ctx
from tegar.ops.zone import ip as check_ip
from tegar.store.networks import Network, Nic
from tegar.store.nic_addresses import NicAddress
from tegar.store.vms import Vm


class ListNics(List):
    """List the interfaces of a VM."""

    name = "listNics"
    response = NicView
    view = staticmethod(nics)

    virtual_machine_id: Vm = param("the VM")
    nic_id: Nic | None = param("the interface", default=None)
    network_id: Network | None = param("in this network", default=None)
    for_display: bool | None = param("false: hidden ones; there are none", default=None)

    def run(self, ctx: Ctx) -> Page[Nic]:
        row = Nic
        stmt = select(row).where(row.vm_id == self.virtual_machine_id.id, live(row)).order_by(row.device_id)
        stmt = only(stmt, (row.id, self.nic_id), (row.network_id, self.network_id))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.mac, row.ip))
        if self.for_display is False:
            stmt = stmt.where(row.id.is_(None))
        return self.fetch(ctx, stmt)


class _OnVm(Command):
    """An asynchronous command whose job shows the virtual machine."""

    is_async = True
    response = VmView
    entity = Vm
    view = staticmethod(vms)


class AddNicToVirtualMachine(_OnVm):
    """Give a virtual machine, running or stopped, a NIC in one network more."""

    name = "addNicToVirtualMachine"

    virtual_machine_id: Vm = param("the virtual machine")
    network_id: Network = param("the network")
    ip_address: str | None = param("its address; any by default", default=None)
    mac_address: str | None = param("its MAC; one that nobody has by default", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        ip = check_ip("ipaddress", self.ip_address) or ""
        return ops.add(
            ctx, self.virtual_machine_id, ops.NicWish(self.network_id, ip, check_mac(self.mac_address))
        )


class RemoveNicFromVirtualMachine(_OnVm):
    """Take a NIC from a virtual machine; not the default one."""

    name = "removeNicFromVirtualMachine"

    virtual_machine_id: Vm = param("the virtual machine")
    nic_id: Nic = param("the NIC")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.remove(ctx, self.virtual_machine_id, self.nic_id)


class UpdateDefaultNicForVirtualMachine(_OnVm):
    """Let a virtual machine have its default route and names by another NIC; the guest learns it by DHCP."""

    name = "updateDefaultNicForVirtualMachine"

    virtual_machine_id: Vm = param("the virtual machine")
    nic_id: Nic = param("the NIC")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.make_default(ctx, self.virtual_machine_id, self.nic_id)


class UpdateVmNicIp(_OnVm):
    """Give a NIC of a stopped virtual machine another address."""

    name = "updateVmNicIp"

    nic_id: Nic = param("the NIC")
    ip_address: str | None = param("the address; any other by default", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.change_address(ctx, self.nic_id, check_ip("ipaddress", self.ip_address) or "")


class AddIpToNic(Command):
    """Let a NIC have a secondary address; the guest sets it up by itself."""

    name = "addIpToNic"
    is_async = True
    response = NicAddressView
    entity = NicAddress
    view = staticmethod(nic_addresses)

    nic_id: Nic = param("the NIC")
    ip_address: str | None = param("the address; any by default", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.add_address(ctx, self.nic_id, check_ip("ipaddress", self.ip_address) or "")


class RemoveIpFromNic(Command):
    """Take a secondary address from a NIC."""

    name = "removeIpFromNic"
    is_async = True

    id: NicAddress = param("the secondary address")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.remove_address(ctx, self.id)


COMMANDS = (
    ListNics,
    AddNicToVirtualMachine,
    RemoveNicFromVirtualMachine,
    UpdateDefaultNicForVirtualMachine,
    UpdateVmNicIp,
    AddIpToNic,
    RemoveIpFromNic,
)
