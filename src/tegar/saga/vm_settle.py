"""Settle a VM in dispute: the witnesses know of a later start than the database, which has lost commits.

The database cannot say where that start was.  So every host of the zone is asked, and only when each says that
it has no copy, or is proven dead, does the VM get an epoch that is later than all the witnesses know.  Until
then no start is granted, for each begins with the epoch that the database has.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS
from tegar.kernel.db import live
from tegar.kernel.errors import Refused, TegarError, Unavailable
from tegar.kernel.saga import Run, Saga, Step
from tegar.saga import place
from tegar.saga.env import Env, link
from tegar.store.hosts import Host
from tegar.store.leases import HostLease, proof_of
from tegar.store.vms import Vm

STRIDES: tuple[int, ...] = tuple(10**n for n in range(1, 8))
"""How far the epoch is raised, the next one when the witnesses know of a later one than that."""


@dataclass(frozen=True)
class SettleVm:
    """Which VM."""

    vm_id: int


Settle = Run[Env, SettleVm]


def found_nowhere(run: Settle) -> int:
    """Find that no host has a copy; return the epoch that the database had before they were asked.

    Raises:
        Refused: a host has one.
        Unavailable: a host does not say, and is not proven dead.
    """

    def what(s: Session) -> tuple[Vm, list[Host]]:
        vm = s.get_one(Vm, run.params.vm_id)
        alive = [
            h
            for h in s.scalars(select(Host).where(live(Host), Host.zone_id == vm.zone_id))
            if not _dead(s, h)
        ]
        return vm, alive

    vm, alive = run.env.db.read(what)
    for host in alive:
        try:
            there = HYPERVISORS[vm.hypervisor].runs(vm.uuid, link(run, host.id))
        except TegarError as e:
            why = f"it must say that it has no copy of VM {vm.name}, or be proven dead"
            raise Unavailable(f"Host {host.name}", why) from e
        if there:
            raise Refused(f"A copy of VM {vm.name} is on host {host.name}: it must be ended first")
    return vm.epoch


def _dead(s: Session, host: Host) -> bool:
    """Return whether all that ever ran on a host is proven dead, and it has not come back."""
    lease = s.get(HostLease, host.id)
    if lease is None or lease.state != "dead":
        return False
    return proof_of(s, host.id, lease.boot, lease.epoch) is not None


def agree(run: Settle) -> int:
    """Let the witnesses know an epoch later than all they knew; return it.  Nothing starts by it."""
    vm, cluster_id = run.env.db.read(lambda s: place.circle(s, run.params.vm_id))
    before: int = run.result(found_nowhere)
    for stride in STRIDES:
        epoch: int = before + stride
        if cluster_id is None or run.env.quorum.record(cluster_id, vm.uuid, epoch, run.fence.saga):
            return epoch
    raise Refused(f"The witnesses know of an epoch of VM {vm.name} that no database can have lost")


def not_agreed(run: Settle) -> None:
    """Leave the witnesses as they are: the database does not have their epoch, so the VM stays in dispute."""


def say_settled(run: Settle) -> None:
    """The database has the same epoch as the witnesses: the VM may be started.

    Raises:
        Refused: the VM was settled or started meanwhile.
    """

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if (vm.epoch, vm.epoch_name) == (run.result(agree), run.fence.saga):
            return
        if vm.epoch != run.result(found_nowhere):
            raise Refused(f"VM {vm.name} has another epoch than before")
        vm.epoch, vm.epoch_name = run.result(agree), run.fence.saga

    run.env.db.tx(work)


SETTLE_VM = Saga[Env, SettleVm](
    "vm.settle",
    SettleVm,
    Step(found_nowhere, undo=not_agreed),
    Step(agree, undo=not_agreed),
    Step(say_settled),
)
