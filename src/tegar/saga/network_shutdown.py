"""Shut a network down that no VM uses: its routers go, then its segment is given back.  The next VM brings it up."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.network import Event, State
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_leave import leave, remove_routers
from tegar.saga.router_obey import obey
from tegar.store import routers, segments
from tegar.store.networks import Network
from tegar.store.routers import Router


@dataclass(frozen=True)
class ShutdownNetwork:
    """Which network; the request made it Shutdown."""

    network_id: int


Shutdown = Run[Env, ShutdownNetwork]


def accepted(run: Shutdown) -> None:
    """Begin: whoever wants to start a VM in it waits until it is down, and brings it up again."""


def up_again(run: Shutdown) -> None:
    """It is Implemented as before, and its routers run again."""

    def work(s: Session) -> list[int]:
        network = s.get_one(Network, run.params.network_id)
        if network.state == State.SHUTDOWN:
            fire(s, network, Event.RELEASE_FAILED)
        if network.group_id is None:
            return []
        s.execute(update(Router).where(Router.group_id == network.group_id).values(applied=0))
        routers.want_again(s, network.group_id)
        return [network.group_id]

    obey_later(run, run.env.db.tx(work))


def take_routers(run: Shutdown) -> None:
    """Take the routers off their hosts; those that serve other networks too only hear that this one is no more."""
    group_id, alone = run.env.db.tx(lambda s: leave(s, run.params.network_id))
    if alone:
        remove_routers(run, group_id)
    else:
        obey(run.env, group_id, run.fence)


def later(run: Shutdown) -> None:
    """They are told again when the network is up again."""


def released(run: Shutdown) -> None:
    """Nothing of it is left on hosts: another network may have its segment."""

    def work(s: Session) -> None:
        network = s.get_one(Network, run.params.network_id)
        if network.state != State.SHUTDOWN:
            return
        group_id, alone = leave(s, network.id)
        if alone:
            mine = update(Router).where(Router.group_id == group_id)
            s.execute(mine.values(host_id=None, applied=0, version=Router.version + 1))
        if not network.specified_vlan:
            segments.give_back(s, network.id)
            network.vlan = ""
        network.idle_since_s = None
        fire(s, network, Event.RELEASED)

    run.env.db.tx(work)


SHUT_DOWN_NETWORK = Saga[Env, ShutdownNetwork](
    "network.shutdown",
    ShutdownNetwork,
    Step(accepted, undo=up_again),
    Step(take_routers, undo=later),
    Step(released),
)
