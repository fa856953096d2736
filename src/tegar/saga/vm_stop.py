"""Stop a VM: the guest shuts down, or is ended when it does not; its room is given back."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.vm import Event, State
from tegar.saga import place
from tegar.saga.env import Env
from tegar.saga.place import HostLost
from tegar.saga.spec import domain_spec
from tegar.store import hosts
from tegar.store.vms import Vm


@dataclass(frozen=True)
class StopVm:
    """Which VM, where it runs, and how long the guest may take (0: it is ended at once)."""

    vm_id: int
    host_id: int
    grace_s: float


Stop = Run[Env, StopVm]


def accepted(run: Stop) -> None:
    """Begin: the request made the VM Stopping."""


def back_to_running(run: Stop) -> None:
    """The VM is Running as before."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STOPPING:
            fire(s, vm, Event.STOP_FAILED)

    run.env.db.tx(work)


def stop_domain(run: Stop) -> None:
    """Stop the domain."""
    vm = run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id))
    place.stop(run, vm, run.params.host_id, run.params.grace_s)


def run_again(run: Stop) -> None:
    """Start the domain where it was, should it have stopped.

    On a host that died it cannot; a VM that is Running on a dead host is found and restarted.
    """
    try:
        place.start(run, run.params.vm_id, run.params.host_id, domain_spec, anew=True)
    except HostLost:
        return


def say_stopped(run: Stop) -> None:
    """The VM is Stopped and holds no room."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STOPPING:
            to_stopped(s, vm, run.env.clock.now_s())

    run.env.db.tx(work)


def to_stopped(s: Session, vm: Vm, now_s: float) -> None:
    """Make a Stopping VM Stopped."""
    hosts.release(s, vm_id=vm.id)
    vm.host_id, vm.vnc_port, vm.updated_s = None, None, now_s
    fire(s, vm, Event.STOPPED)


STOP_VM = Saga[Env, StopVm](
    "vm.stop",
    StopVm,
    Step(accepted, undo=back_to_running, nothing=True),
    Step(stop_domain, undo=run_again),
    Step(say_stopped),
)
