"""Restart a network: tell its routers everything anew, or (cleanup) take each away and build it from nothing."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import live
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import State as HostState
from tegar.model.router import Role
from tegar.saga.env import Env
from tegar.saga.network_implement import implement_in, obey_later
from tegar.saga.router_obey import obey
from tegar.store import routers
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router


@dataclass(frozen=True)
class RestartNetworks:
    """Which networks, all of one group of routers; ``cleanup``: build the routers from nothing."""

    network_ids: tuple[int, ...]
    group_id: int
    cleanup: bool


Restart = Run[Env, RestartNetworks]


def accepted(run: Restart) -> None:
    """Begin: the request wrote down what is wanted."""


def told_anyway(run: Restart) -> None:
    """Routers that were taken away run again, as soon as their hosts answer."""
    if run.params.group_id:
        run.env.db.tx(lambda s: _count(s, run.params.group_id))
        obey_later(run, [run.params.group_id])


def rebuild(run: Restart) -> None:
    """Bring the networks up, and their routers to what is desired; of a pair the backup goes first."""
    if not run.params.cleanup:
        if run.params.group_id:
            run.env.db.tx(lambda s: _count(s, run.params.group_id))
        implement_in(run, list(run.params.network_ids))
        return
    for router_id, uuid, url in run.env.db.read(lambda s: _there(s, run.params.group_id)):
        if url:
            ROUTERS["VirtualRouter"].remove(uuid, run.env.links.to(url, run.fence))
        run.env.db.tx(lambda s, r=router_id: _forget(s, run.params.group_id, r))  # type: ignore[misc]
        obey(run.env, run.params.group_id, run.fence)
    implement_in(run, list(run.params.network_ids))


def go_on(run: Restart) -> None:
    """The undo of the step before lets them run."""


def settled(run: Restart) -> None:
    """The networks do all that they should."""
    mine = update(Network).where(Network.id.in_(run.params.network_ids), Network.restart_required.is_(True))
    run.env.db.tx(lambda s: s.execute(mine.values(restart_required=False, version=Network.version + 1)))


def _count(s: Session, group_id: int) -> None:
    """Let all routers of a group be told again, stopped ones too."""
    s.execute(update(Router).where(Router.group_id == group_id).values(applied=0, stopped=False))
    routers.want_again(s, group_id)


def _there(s: Session, group_id: int) -> list[tuple[int, str, str]]:
    """Return the routers of a group, the primary last, with their hosts' addresses (empty: not to be asked)."""
    stmt = (
        select(Router, Host)
        .outerjoin(Host, Host.id == Router.host_id)
        .where(Router.group_id == group_id, live(Router))
        .order_by(Router.position.desc())
    )
    found = sorted(s.execute(stmt).all(), key=lambda pair: pair[0].role == Role.PRIMARY)
    asked = [
        (r, h if h is not None and not h.removed_s and h.state == HostState.UP else None) for r, h in found
    ]
    return [(r.id, r.uuid, h.url if h else "") for r, h in asked]


def _forget(s: Session, group_id: int, router_id: int) -> None:
    mine = update(Router).where(Router.id == router_id)
    s.execute(mine.values(applied=0, stopped=False, version=Router.version + 1))
    routers.want_again(s, group_id)


RESTART_NETWORK = Saga[Env, RestartNetworks](
    "network.restart",
    RestartNetworks,
    Step(accepted, undo=told_anyway),
    Step(rebuild, undo=go_on),
    Step(settled),
)
