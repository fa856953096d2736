"""Delete a network that no VM uses: its router goes, then its addresses and the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire, live
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import InUse
from tegar.model.network import Event, State
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_leave import leave, remove_routers
from tegar.saga.router_obey import obey
from tegar.store import routers, rules, segments
from tegar.store.networks import GuestAddress, Network, Nic, VlanRange
from tegar.store.routers import Router


@dataclass(frozen=True)
class DeleteNetwork:
    """Which network; ``forced``: also when its router's host does not answer; ``was``: its state before."""

    network_id: int
    forced: bool
    was: State = State.SETUP


Delete = Run[Env, DeleteNetwork]


def accepted(run: Delete) -> None:
    """Begin: the request made it Destroy, so no VM joins it."""


_BACK = {State.ALLOCATED: Event.RELEASED, State.IMPLEMENTED: Event.IMPLEMENTED}


def keep(run: Delete) -> None:
    """Let VMs join it again; a router that it had runs again."""

    def work(s: Session) -> list[int]:
        network = s.get_one(Network, run.params.network_id)
        if network.state == State.DESTROY:
            fire(s, network, Event.DELETE_FAILED)
            if run.params.was != State.SETUP:
                fire(s, network, _BACK[run.params.was])
        mine = s.scalars(select(Router).where(Router.group_id == network.group_id, live(Router))).all()
        routers.want_again(s, network.group_id)
        for router in mine:
            router.applied = 0
        return [network.group_id] if mine and network.group_id else []

    obey_later(run, run.env.db.tx(work))


def take_routers(run: Delete) -> None:
    """Take the routers off their hosts; a host that was deleted, or lost its power, has none.

    Routers that serve other networks too, tiers of the same VPC, only hear that this one is no more.
    """
    group_id, alone = run.env.db.tx(lambda s: leave(s, run.params.network_id))
    try:
        if alone:
            remove_routers(run, group_id)
        else:
            obey(run.env, group_id, run.fence)
    except (Fenced, NotYet):
        raise
    except TegarError:
        if not run.params.forced:
            raise


def later(run: Delete) -> None:
    """It is applied again when VMs may join again."""


def gone(run: Delete) -> None:
    """Forget the network, unless a VM has an address of it after all."""

    def work(s: Session) -> None:
        network = s.get_one(Network, run.params.network_id)
        if network.removed_s:
            return
        now_s = run.env.clock.now_s()
        own = _own_nics(s, network)
        s.execute(
            delete(GuestAddress).where(
                GuestAddress.network_id == network.id,
                GuestAddress.nic_id.is_(None) | GuestAddress.nic_id.in_([nic.id for nic in own]),
            )
        )
        if s.scalars(select(GuestAddress.id).where(GuestAddress.network_id == network.id).limit(1)).first():
            raise InUse(f"Network {network.name}", "a VM has an address of it")
        ranges = select(VlanRange).where(VlanRange.network_id == network.id, live(VlanRange))
        for row in s.scalars(ranges):
            row.removed_s = now_s
        for router in _own_routers(s, network):
            router.host_id, router.applied = None, 0
            router.removed_s = None if network.vpc_id else now_s  # a VPC's come back with its next tier
        for nic in own:
            nic.removed_s = now_s
        rules.forget_network(s, network.id, now_s)
        segments.give_back(s, network.id)
        network.removed_s = now_s

    run.env.db.tx(work)


def _own_routers(s: Session, network: Network) -> Sequence[Router]:
    """Return the routers that served nobody else."""
    if not leave(s, network.id)[1]:
        return ()
    return s.scalars(select(Router).where(Router.group_id == network.group_id, live(Router))).all()


def _own_nics(s: Session, network: Network) -> list[Nic]:
    """Return the NICs of the network's router.

    Raises:
        InUse: a VM has one in the network.
    """
    found = s.scalars(select(Nic).where(Nic.network_id == network.id, live(Nic))).all()
    if any(nic.vm_id is not None for nic in found):
        raise InUse(f"Network {network.name}", "a VM has a NIC in it")
    return list(found)


DELETE_NETWORK = Saga[Env, DeleteNetwork](
    "network.delete",
    DeleteNetwork,
    Step(accepted, undo=keep),
    Step(take_routers, undo=later),
    Step(gone),
)
