"""Deploy a VM: a first start that leaves it in Error when it cannot be done."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Saga, Step
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.saga.vm_start import STEPS, Start, StartVm
from tegar.store.vms import Vm


def begun(run: Start) -> None:
    """Begin: the request made the VM Starting, with its volumes, NICs and addresses."""


def deploy_failed(run: Start) -> None:
    """The VM stays in Error, as CloudStack leaves it, for its owner to see and destroy."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STARTING:
            fire(s, vm, Event.DEPLOY_FAILED)

    run.env.db.tx(work)


DEPLOY_VM = Saga[Env, StartVm]("vm.deploy", StartVm, Step(begun, undo=deploy_failed, nothing=True), *STEPS)
