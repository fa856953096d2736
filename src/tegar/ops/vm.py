"""Virtual machines: what a caller can ask of one that exists."""

from __future__ import annotations

import json

from tegar.kernel.db import fire
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.settings import STOP_GRACE_S
from tegar.model.vm import Event, State
from tegar.ops import admission, restart_policy
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.deploy import HOST_NAME
from tegar.saga.vm_destroy import DESTROY_VM, DestroyVm
from tegar.saga.vm_migrate import MIGRATE_VM, MigrateVm
from tegar.saga.vm_reboot import REBOOT_VM
from tegar.saga.vm_settle import SETTLE_VM, SettleVm
from tegar.saga.vm_start import START_VM, StartVm
from tegar.saga.vm_stop import STOP_VM, StopVm
from tegar.saga.vm_withdraw import WITHDRAW_VM, WithdrawVm, withdraw
from tegar.store import networks, routers
from tegar.store.hosts import Host
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


def start(ctx: Ctx, vm: Vm, *, on: Host | None = None) -> SagaRow:
    """Ask for a stopped VM to run.

    The VM is Starting and the job exists when this returns, both or neither.

    Args:
        ctx: the caller.
        vm: the VM to start.
        on: start it there and nowhere else; by default the scheduler chooses.

    Raises:
        Denied: the caller may not operate the VM.
        BadTransition: the VM is not Stopped.
        PromiseBroken: it has HA, and there would be no room for it if its host failed.
        Stale: another request changed the VM at the same moment; retry.
    """
    must_operate(ctx, vm)
    fire(ctx.s, vm, Event.START)
    admission.start(ctx, vm, on)
    ctx.note("VM.START", f"Starting VM {vm.name}", vm, state="Started")
    return START_VM.submit(ctx.s, StartVm(vm.id, on.id if on else None), ctx.job(vm))


def stop(ctx: Ctx, vm: Vm, *, forced: bool) -> SagaRow:
    """Ask for a running VM to stop, or one that waits for its restart; forced ends it without asking the guest.

    Raises:
        BadTransition: the VM is not Running, nor does it wait.
    """
    must_operate(ctx, vm)
    if withdraw(ctx.s, vm):
        ctx.note("VM.STOP", f"Stopping VM {vm.name}: its restart is given up", vm, state="Started")
        return WITHDRAW_VM.submit(ctx.s, WithdrawVm(vm.id), ctx.job(vm))
    fire(ctx.s, vm, Event.STOP)
    ctx.note("VM.STOP", f"Stopping VM {vm.name}", vm, state="Started")
    return STOP_VM.submit(ctx.s, _stop(ctx, vm, forced=forced), ctx.job(vm))


def _stop(ctx: Ctx, vm: Vm, *, forced: bool) -> StopVm:
    assert vm.host_id is not None, "a running VM has a host"
    return StopVm(vm.id, vm.host_id, 0.0 if forced else float(STOP_GRACE_S.of(ctx.s)))


def reboot(ctx: Ctx, vm: Vm, *, forced: bool) -> SagaRow:
    """Ask for a running VM to stop and start again where it is.

    Raises:
        BadTransition: the VM is not Running.
    """
    must_operate(ctx, vm)
    fire(ctx.s, vm, Event.STOP)
    ctx.note("VM.REBOOT", f"Rebooting VM {vm.name}", vm, state="Started")
    return REBOOT_VM.submit(ctx.s, _stop(ctx, vm, forced=forced), ctx.job(vm))


def migrate(ctx: Ctx, vm: Vm, *, to: Host | None) -> SagaRow:
    """Ask for a running VM to move, live.

    Raises:
        BadTransition: the VM is not Running.
        Refused: it is there already, or the host is of another cluster.
    """
    assert ctx.is_admin, "only operators move VMs"
    fire(ctx.s, vm, Event.MIGRATE)
    assert vm.host_id is not None, "a running VM has a host"
    here = ctx.s.get_one(Host, vm.host_id)
    if to is not None and to.id == here.id:
        raise Refused(f"VM {vm.name} is on host {to.name} already")
    if to is not None and to.cluster_id != here.cluster_id:
        raise Refused(f"Host {to.name} is in another cluster than {here.name}, where VM {vm.name} runs")
    ctx.note("VM.MIGRATE", f"Migrating VM {vm.name}", vm, state="Started")
    return MIGRATE_VM.submit(ctx.s, MigrateVm(vm.id, here.id, to.id if to else None), ctx.job(vm))


def settle(ctx: Ctx, vm: Vm) -> SagaRow:
    """Ask for a VM in dispute to be startable again, once no host has a copy of it.

    Raises:
        Refused: the VM neither is Stopped nor waits for its restart.
    """
    assert ctx.is_admin, "only operators settle disputes"
    waits = vm.state == State.STARTING and ctx.s.get(Restart, vm.id) is not None
    if vm.state != State.STOPPED and not waits:
        raise Refused(
            f"VM {vm.name} is {vm.state}: only one that is Stopped or waits for its restart is settled"
        )
    ctx.note("VM.SETTLE", f"Settling where VM {vm.name} runs", vm, state="Started")
    return SETTLE_VM.submit(ctx.s, SettleVm(vm.id), ctx.job(vm))


def destroy(ctx: Ctx, vm: Vm, *, expunge: bool, volumes_too: list[Volume]) -> SagaRow:
    """Ask for a VM to end; it can be recovered until it is expunged.

    Raises:
        BadTransition: the VM is neither Running, Stopped nor in Error, nor does it wait for its restart.
        Refused: the VM is protected against deletion, or a named volume is not on it.
    """
    must_operate(ctx, vm)
    if vm.delete_protection:
        raise Refused(f"VM {vm.name} is protected against deletion; clear deleteprotection first")
    for volume in volumes_too:
        must_operate(ctx, volume)
        if volume.vm_id != vm.id:
            raise Refused(f"Volume {volume.uuid} is not attached to VM {vm.name}")
    waited = withdraw(ctx.s, vm)
    host_id = vm.host_id
    if vm.state == State.RUNNING:
        fire(ctx.s, vm, Event.STOP)
    elif not waited:
        if vm.state != State.DESTROYED or not expunge:
            fire(ctx.s, vm, Event.DESTROY)
            vm.destroyed_s = ctx.now_s
        if expunge:
            fire(ctx.s, vm, Event.EXPUNGE)
    ctx.note("VM.DESTROY", f"Destroying VM {vm.name}", vm, state="Started")
    params = DestroyVm(vm.id, host_id, expunge, tuple(v.id for v in volumes_too))
    return DESTROY_VM.submit(ctx.s, params, ctx.job(vm))


def expunge(ctx: Ctx, vm: Vm) -> SagaRow:
    """Ask for a destroyed VM to vanish with its disks.

    Raises:
        BadTransition: the VM is not Destroyed.
    """
    must_operate(ctx, vm)
    fire(ctx.s, vm, Event.EXPUNGE)
    ctx.note("VM.EXPUNGE", f"Expunging VM {vm.name}", vm, state="Started")
    job = ctx.job(vm)
    return DESTROY_VM.submit(ctx.s, DestroyVm(vm.id, None, expunge=True), job)


def recover(ctx: Ctx, vm: Vm) -> Vm:
    """Bring a destroyed VM back, Stopped.

    Raises:
        BadTransition: the VM is not Destroyed.
    """
    must_operate(ctx, vm)
    fire(ctx.s, vm, Event.RECOVER)
    vm.destroyed_s, vm.updated_s = None, ctx.now_s
    ctx.note("VM.RECOVER", f"Recovered VM {vm.name}", vm)
    return vm


def tell_routers(ctx: Ctx, vm: Vm) -> None:
    """What the routers say of the VM changed: they are brought up to date at its next start."""
    for network in networks.of_vm(ctx.s, vm.id):
        routers.want_again(ctx.s, network.group_id)


def set_details(ctx: Ctx, vm: Vm, details: dict[str, str] | None, *, cleanup: bool) -> None:
    """Replace a VM's details, or remove them all; those of its restart are obeyed."""
    if not cleanup and details is None:
        return
    wanted = {} if cleanup else details or {}
    restart_policy.obey(ctx, vm, wanted)
    vm.details = json.dumps(wanted)


def set_ha(ctx: Ctx, vm: Vm, ha: bool) -> None:
    """Let a VM be restarted when its host fails, or not, whatever its offering says.

    Raises:
        PromiseBroken: it runs, and there would be no room for it.
    """
    if ha and not vm.ha:
        admission.enable_ha(ctx, vm)
    vm.ha = ha


def rename(ctx: Ctx, vm: Vm, name: str) -> None:
    """Give a stopped VM another host name.

    Raises:
        Refused: the VM is not Stopped, or the name is not a host name.
    """
    if vm.state != State.STOPPED:
        raise Refused(f"VM {vm.name} is {vm.state.value}; stop it before it gets another name")
    if not HOST_NAME.match(name):
        raise Refused(
            "name must be a host name: letters, digits and hyphens, at most 63, beginning with a letter"
        )
    vm.name = name
    tell_routers(ctx, vm)
