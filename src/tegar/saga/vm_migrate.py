"""Migrate a running VM live.  While it moves it holds room on both hosts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS
from tegar.kernel.db import fire
from tegar.kernel.errors import AgentRefused
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.vm import Event, State
from tegar.saga import hold, place, promise
from tegar.saga.env import Env, link
from tegar.saga.place import HostLost
from tegar.saga.spec import domain_spec
from tegar.store import hosts
from tegar.store.hosts import Host
from tegar.store.vms import Vm


@dataclass(frozen=True)
class MigrateVm:
    """Which VM, from where, and where to (None: the scheduler chooses)."""

    vm_id: int
    source_id: int
    host_id: int | None = None


Migrate = Run[Env, MigrateVm]


def accepted(run: Migrate) -> None:
    """Begin: the request made the VM Migrating."""


def stays(run: Migrate) -> None:
    """The VM is Running where it was."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.MIGRATING:
            fire(s, vm, Event.MIGRATED)

    run.env.db.tx(work)


def hold_destination(run: Migrate) -> int:
    """Choose a host and take the room there; return the host's id.

    Raises:
        Disputed: the database has lost commits, and the VM may run where it does not know.
    """
    place.confirmed(run, run.params.vm_id)

    def work(s: Session) -> int:
        vm = s.get_one(Vm, run.params.vm_id)
        held = hosts.held_by(s, vm.id) - {run.params.source_id}
        if held:
            return held.pop()
        source = s.get_one(Host, run.params.source_id)
        wanted = hold.request(s, vm, only_host_id=run.params.host_id, not_host_id=source.id)
        wanted = replace(wanted, only_cluster_id=source.cluster_id)
        now_s = run.env.clock.now_s()
        return hold.take(s, vm, wanted, promise.rather(s, vm, now_s), now_s=now_s).host_id

    return run.env.db.tx(work)


def free_destination(run: Migrate) -> None:
    """Give the room there back."""

    def work(s: Session) -> None:
        for host_id in hosts.held_by(s, run.params.vm_id) - {run.params.source_id}:
            hosts.release(s, vm_id=run.params.vm_id, host_id=host_id)

    run.env.db.tx(work)


def prepare_destination(run: Migrate) -> None:
    """Build there what the VM stands on."""
    vm = _vm(run)
    spec = run.env.db.read(lambda s: domain_spec(s, s.get_one(Vm, vm.id)))
    HYPERVISORS[vm.hypervisor].prepare(spec, link(run, run.result(hold_destination)))


def leave_destination(run: Migrate) -> None:
    """Segments and mounts are shared with others and stay."""


def move_domain(run: Migrate) -> None:
    """Move the domain, see it there, and let it run: it arrives paused.

    Raises:
        AgentRefused: it runs on neither host (the guest ended by itself meanwhile), or the
            hypervisor would not move it.
        HostLost: a host died before it had moved; whoever restarts VMs finds it where it was.
    """
    vm, there_id = _vm(run), run.result(hold_destination)
    source_id, address = run.params.source_id, _address(run, there_id)
    if place.runs(run, vm, source_id):
        right, driver = place.raised(run, vm.id, there_id), HYPERVISORS[vm.hypervisor]
        epoch = right.vm_epoch if right is not None else None
        place.ask(run, vm.id, source_id, lambda via: driver.move(vm.uuid, via, address, epoch))
    if not place.runs(run, vm, there_id):
        raise AgentRefused("The destination", "MigrateDomain", "the VM did not arrive")
    place.resume(run, vm, there_id)


def move_back(run: Migrate) -> None:
    """Bring the domain back, should it have arrived."""
    vm, there_id, source_id = _vm(run), run.result(hold_destination), run.params.source_id
    driver = HYPERVISORS[vm.hypervisor]
    if place.runs(
        run, vm, source_id
    ):  # it never left, or is on its way still; it may have been paused for that
        with suppress(HostLost):
            place.resume(run, vm, source_id)
        return
    if not place.runs(run, vm, there_id):
        return
    spec = run.env.db.read(lambda s: domain_spec(s, s.get_one(Vm, vm.id)))
    try:
        place.ask(run, vm.id, source_id, lambda via: driver.prepare(spec, via))
        driver.move(vm.uuid, link(run, there_id), _address(run, source_id), vm.epoch)
        place.resume(run, vm, source_id)
    except HostLost:
        place.stop(run, vm, there_id, 0)  # nowhere to bring it: it is restarted as its host's others are


def say_moved(run: Migrate) -> None:
    """The VM is Running there, and its room here is free."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state != State.MIGRATING:
            return
        there = run.result(hold_destination)
        if there in hosts.held_by(s, vm.id):  # else the database has lost commits, and knows it where it was
            hosts.release(s, vm_id=vm.id, host_id=run.params.source_id)
            vm.host_id = vm.last_host_id = there
        vm.updated_s = run.env.clock.now_s()
        fire(s, vm, Event.MIGRATED)

    run.env.db.tx(work)


def _vm(run: Migrate) -> Vm:
    return run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id))


def _address(run: Migrate, host_id: int) -> str:
    return run.env.db.read(lambda s: s.get_one(Host, host_id).migration_address)


MIGRATE_VM = Saga[Env, MigrateVm](
    "vm.migrate",
    MigrateVm,
    Step(accepted, undo=stays, nothing=True),
    Step(hold_destination, undo=free_destination),
    Step(prepare_destination, undo=leave_destination),
    Step(move_domain, undo=move_back),
    Step(say_moved),
)
