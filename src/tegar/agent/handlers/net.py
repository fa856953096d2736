"""NICs of running domains.  A NIC has no cable until it is filtered."""

from __future__ import annotations

from contextlib import ExitStack

from tegar.agent.host import Host
from tegar.kernel.errors import AgentRefused
from tegar.kernel.wire import Handlers
from tegar.model.spec import NicSpec
from tegar.wire.net import AttachNic, DetachNic, FiltersSet, SetNicFilters, UpdateNic
from tegar.wire.virt import Done

table: Handlers[Host] = Handlers()


@table.handles
def set_nic_filters(host: Host, ask: SetNicFilters) -> FiltersSet:
    """Change the filters of the VMs that are here."""
    with ExitStack() as turns:
        for uuid in sorted({vm.vm_uuid for vm in ask.vms}):
            turns.enter_context(host.locks.of(uuid))
        here = [(vm.vm_uuid, vm.nics) for vm in ask.vms if host.virt.find(vm.vm_uuid) is not None]
        host.filters.set_all(here)
        return FiltersSet(tuple(sorted({vm.vm_uuid for vm in ask.vms} - {uuid for uuid, _ in here})))


@table.handles
def attach_nic(host: Host, ask: AttachNic) -> Done:
    """Plug a NIC in."""
    with host.locks.of(ask.uuid):
        return _plug(host, ask.uuid, ask.nic, "AttachNic")


@table.handles
def update_nic(host: Host, ask: UpdateNic) -> Done:
    """Change a NIC that is plugged in."""
    with host.locks.of(ask.uuid):
        return _plug(host, ask.uuid, ask.nic, "UpdateNic")


@table.handles
def detach_nic(host: Host, ask: DetachNic) -> Done:
    """Take a NIC out."""
    with host.locks.of(ask.uuid):
        if host.virt.find(ask.uuid) is not None:
            host.virt.unplug_nic(ask.uuid, ask.nic)
            host.filters.set(ask.uuid, _others(host, ask.uuid, ask.nic))
        return Done()


def _plug(host: Host, uuid: str, nic: NicSpec, what: str) -> Done:
    if host.virt.find(uuid) is None:
        raise AgentRefused("The host", what, "the domain does not run here")
    host.net.ensure(nic.network)
    host.virt.plug_nic(uuid, nic, cable=False)
    host.filters.set(uuid, (*_others(host, uuid, nic), nic))
    host.virt.plug_nic(uuid, nic, cable=True)
    return Done()


def _others(host: Host, uuid: str, nic: NicSpec) -> tuple[NicSpec, ...]:
    return tuple(it for it in host.filters.nics(uuid) if it.nic_uuid != nic.nic_uuid)
