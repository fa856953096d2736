"""Give the address that a NIC of a stopped VM had before to others: not before those that let the VM in know."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.saga import nic_filters
from tegar.saga.env import Env
from tegar.store import networks, nic_addresses
from tegar.store.networks import Nic


@dataclass(frozen=True)
class RenumberNic:
    """Which NIC, of which VM, and the address that it had before."""

    nic_id: int
    vm_id: int
    before: str


Renumber = Run[Env, RenumberNic]


def tell_peers(run: Renumber) -> None:
    """Let the hosts of VMs that let this one in by a group have its new address in place of the old one."""
    nic_filters.addresses_changed(run, run.params.vm_id)


def free_before(run: Renumber) -> None:
    """Others can have the old address, unless the NIC has taken it again."""

    def work(s: Session) -> None:
        nic_id, before = run.params.nic_id, run.params.before
        secondary = {row.ip for row in nic_addresses.of_nics(s, [nic_id]).get(nic_id, ())}
        if before not in {s.get_one(Nic, nic_id).ip, *secondary}:
            networks.free_address(s, nic_id, before)

    run.env.db.tx(work)


RENUMBER_NIC = Saga[Env, RenumberNic](
    "nic.renumber", RenumberNic, Step(tell_peers), Step(free_before), forward_only=True
)
