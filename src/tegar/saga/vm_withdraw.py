"""Give up the restart of a VM that lives nowhere: its owner wants it Stopped, or gone.  Only forward."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.saga.vm_stop import to_stopped
from tegar.store import hosts
from tegar.store.hosts import Hold
from tegar.store.leases import proof_of
from tegar.store.restarts import Restart
from tegar.store.vms import Vm


@dataclass(frozen=True)
class WithdrawVm:
    """Which VM."""

    vm_id: int


def withdraw(s: Session, vm: Vm) -> bool:
    """Let a VM wait no more, and make it Stopping; False, and nothing, when it does not wait or has a living place.

    The saga of its restart finds that it is over.  Should that take a place at this moment, one of the two
    loses and is repeated, for both write the VM's row.
    """
    row = s.get(Restart, vm.id)
    if vm.state != State.STARTING or row is None or row.running_s is not None:
        return False
    for held in s.scalars(select(Hold).where(Hold.vm_id == vm.id)):
        if not held.boot or proof_of(s, held.host_id, held.boot, held.epoch) is None:
            return False
    hosts.release(s, vm_id=vm.id)
    vm.host_id = None
    fire(s, vm, Event.WITHDRAW)
    s.execute(delete(Restart).where(Restart.vm_id == vm.id))
    return True


def say_given_up(run: Run[Env, WithdrawVm]) -> None:
    """The VM is Stopped."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STOPPING:
            to_stopped(s, vm, run.env.clock.now_s())

    run.env.db.tx(work)


WITHDRAW_VM = Saga[Env, WithdrawVm]("vm.withdraw", WithdrawVm, Step(say_given_up), forward_only=True)
