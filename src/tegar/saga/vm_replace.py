"""End a VM whose guest hangs and restart it on another host, if there is room on one."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Saga, Step
from tegar.model.lease import Proof
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.saga.vm_restart import RESTART_VM, RestartVm
from tegar.saga.vm_stop import Stop, StopVm, back_to_running, run_again, stop_domain
from tegar.store import hosts, restarts
from tegar.store.hosts import Hold
from tegar.store.leases import Death
from tegar.store.vms import Vm


def hangs(run: Stop) -> None:
    """Begin: whoever saw the guest hang made the VM Stopping."""


def say_lost(run: Stop) -> None:
    """Its host said that the copy is gone: that is recorded as the proof, and the VM's restart begins."""

    def work(s: Session) -> None:
        vm, now_s = s.get_one(Vm, run.params.vm_id), run.env.clock.now_s()
        if vm.state != State.STOPPING:
            return
        host_id = run.params.host_id
        held = s.scalars(select(Hold).where(Hold.vm_id == vm.id, Hold.host_id == host_id)).first()
        death = Death(
            host_id=host_id,
            boot=held.boot if held else "",
            epoch=held.epoch if held else 0,
            vm_id=vm.id,
            kind=Proof.GONE,
            evidence="its guest hung, and its host says that it ended it",
            at_s=now_s,
        )
        s.add(death)
        hosts.release(s, vm_id=vm.id)
        vm.host_id, vm.vnc_port, vm.updated_s = None, None, now_s
        fire(s, vm, Event.LOST)
        row = restarts.queue(s, vm.id, death_id=death.id, from_host_id=host_id, now_s=now_s)
        row.started_s = now_s
        row.saga_id = RESTART_VM.submit(s, RestartVm(vm.id, death.id, not_host_id=host_id)).id

    run.env.db.tx(work)


REPLACE_VM = Saga[Env, StopVm](
    "vm.replace",
    StopVm,
    Step(hangs, undo=back_to_running, nothing=True),
    Step(stop_domain, undo=run_again),
    Step(say_lost),
)
