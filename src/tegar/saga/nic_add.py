"""Give a VM one NIC more: its network is brought up, routers know it, and a running VM has it plugged in."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.model.vm import HOLDS_HOST
from tegar.saga import nic_filters, nic_leave
from tegar.saga.env import Env
from tegar.saga.network_implement import implement_in
from tegar.saga.nic_reach import plug_in, take_out
from tegar.store.networks import Nic
from tegar.store.vms import Vm


@dataclass(frozen=True)
class AddNic:
    """Which NIC, of which VM."""

    nic_id: int
    vm_id: int


Adding = Run[Env, AddNic]


def accepted(run: Adding) -> None:
    """Begin: the request made the NIC, with its address."""


def withdraw(run: Adding) -> None:
    """The NIC is gone; who lets the VM in by its address, and routers, hear of it."""
    nic_filters.addresses_changed(run, run.params.vm_id)

    def work(s: Session) -> int:
        nic = s.get_one(Nic, run.params.nic_id)
        if not nic.removed_s:
            nic_leave.drop(s, [nic], run.env.clock.now_s())
        return nic.network_id

    nic_leave.tell_routers(run, [run.env.db.tx(work)])


def connect(run: Adding) -> None:
    """Bring its network up and let routers know it, if the VM runs; one that does not does so at its start."""
    vm, nic = run.env.db.read(lambda s: (s.get_one(Vm, run.params.vm_id), s.get_one(Nic, run.params.nic_id)))
    if vm.state in HOLDS_HOST:
        implement_in(run, [nic.network_id])


def stay_up(run: Adding) -> None:
    """A network without a VM that runs is shut down by the loop that looks after them."""


def plug(run: Adding) -> None:
    """Plug it in.

    Raises:
        Refused: the VM was expunged meanwhile.
    """
    plug_in(run, run.params.vm_id, run.params.nic_id)
    nic_filters.addresses_changed(run, run.params.vm_id)


def unplug(run: Adding) -> None:
    """Take it out, should it be in."""
    take_out(run, run.params.vm_id, run.params.nic_id)


ADD_NIC = Saga[Env, AddNic](
    "vm.nic.add",
    AddNic,
    Step(accepted, undo=withdraw, nothing=True),
    Step(connect, undo=stay_up),
    Step(plug, undo=unplug),
)
