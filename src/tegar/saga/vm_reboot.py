"""Reboot a VM: stopped and started on the same host, its room kept."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Saga, Step
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.saga.vm_stop import Stop, StopVm, back_to_running, run_again, stop_domain
from tegar.store.vms import Vm


def asked(run: Stop) -> None:
    """Begin: the request made the VM Stopping."""


def start_again(run: Stop) -> None:
    """Start the domain where it was; should its host have died, whoever restarts VMs takes over."""
    run_again(run)


def leave_running(run: Stop) -> None:
    """A domain that runs is what undoing wants."""


def say_rebooted(run: Stop) -> None:
    """The VM is Running."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STOPPING:
            vm.updated_s = run.env.clock.now_s()
            fire(s, vm, Event.REBOOTED)

    run.env.db.tx(work)


REBOOT_VM = Saga[Env, StopVm](
    "vm.reboot",
    StopVm,
    Step(asked, undo=back_to_running, nothing=True),
    Step(stop_domain, undo=run_again),
    Step(start_again, undo=leave_running),
    Step(say_rebooted),
)
