"""Take a NIC from a VM: routers forget it, a running VM has it unplugged, its addresses are free again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.network import LEAVING, NicState
from tegar.saga import nic_filters, nic_leave
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.nic_reach import plug_in, take_out
from tegar.saga.router_obey import obey
from tegar.store import networks, routers, rules
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Nic


@dataclass(frozen=True)
class RemoveNic:
    """Which NIC, of which VM."""

    nic_id: int
    vm_id: int


Removing = Run[Env, RemoveNic]


def accepted(run: Removing) -> None:
    """Begin: the request made the NIC one that leaves, and addresses that came with it Releasing."""


def stays(run: Removing) -> None:
    """The NIC stays with all it has; routers hear of it, if they answer."""

    def work(s: Session) -> list[int]:
        nic = s.get_one(Nic, run.params.nic_id)
        if nic.removed_s:
            return []
        if nic.state in LEAVING:
            nic.state = NicState.ACTIVE
        for address in _came_with(s, nic.id):
            address.state = State.ALLOCATED
        group_ids = networks.groups_of(s, [nic.network_id])
        for group_id in group_ids:
            routers.want_again(s, group_id)
        return group_ids

    obey_later(run, run.env.db.tx(work))


def forget(run: Removing) -> None:
    """Let routers forget it; they must have, when a public address goes with it."""

    def what(s: Session) -> tuple[list[int], bool]:
        nic = s.get_one(Nic, run.params.nic_id)
        return networks.groups_of(s, [nic.network_id]), bool(_came_with(s, nic.id))

    group_ids, must = run.env.db.read(what)
    if not must:
        obey_later(run, group_ids)
        return
    for group_id in group_ids:
        obey(run.env, group_id, run.fence)


def know_again(run: Removing) -> None:
    """They are told by the undo of the step before."""


def unplug(run: Removing) -> None:
    """Take it out of the running VM and wait until the guest let go."""
    take_out(run, run.params.vm_id, run.params.nic_id)
    nic_filters.addresses_changed(run, run.params.vm_id)


def plug_again(run: Removing) -> None:
    """Plug it in again, should it have gone; one of a VM that is gone stays away."""
    if not run.env.db.read(lambda s: s.get_one(Nic, run.params.nic_id).removed_s):
        plug_in(run, run.params.vm_id, run.params.nic_id)
        nic_filters.addresses_changed(run, run.params.vm_id)


def say_removed(run: Removing) -> None:
    """The NIC is gone with all that led to it."""

    def work(s: Session) -> None:
        nic, now_s = s.get_one(Nic, run.params.nic_id), run.env.clock.now_s()
        if nic.removed_s:
            return
        leaving = _came_with(s, nic.id)
        nic_leave.drop(s, [nic], now_s)
        for address in leaving:
            rules.forget_address(s, address.id, now_s)
        nic_leave.let_go(s, [address.id for address in leaving])

    run.env.db.tx(work)


def _came_with(s: Session, nic_id: int) -> list[PublicAddress]:
    """Return the addresses that came with a NIC and leave with it."""
    row = PublicAddress
    return list(
        s.scalars(
            select(row).where(row.nic_id == nic_id, row.state == State.RELEASING, row.elastic, live(row))
        )
    )


REMOVE_NIC = Saga[Env, RemoveNic](
    "vm.nic.remove",
    RemoveNic,
    Step(accepted, undo=stays, nothing=True),
    Step(forget, undo=know_again),
    Step(unplug, undo=plug_again),
    Step(say_removed),
)
