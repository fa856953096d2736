"""Routers that are not needed any more: who they still serve, and taking them off their hosts."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import live
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run
from tegar.model.host import State as HostState
from tegar.model.network import State
from tegar.saga.env import Env
from tegar.store import routers
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router

P = TypeVar("P")


def leave(s: Session, network_id: int) -> tuple[int, bool]:
    """Count that a network leaves its group of routers; return the group (0: none), and whether nobody else is served."""
    network = s.get_one(Network, network_id)
    if network.group_id is None:
        return 0, True
    routers.want_again(s, network.group_id)
    served = select(Network.id).where(
        Network.group_id == network.group_id,
        Network.id != network.id,
        Network.state == State.IMPLEMENTED,
        live(Network),
    )
    return network.group_id, s.scalars(served.limit(1)).first() is None


def remove_routers(run: Run[Env, P], group_id: int) -> None:
    """Take a group's routers off hosts that are up; a host that was deleted, or lost its power, has none.

    Raises:
        Unreachable: a host does not answer; the others were asked all the same.
    """

    def read(s: Session) -> list[tuple[str, str]]:
        stmt = (
            select(Router.uuid, Host.url)
            .join(Host, Host.id == Router.host_id)
            .where(Router.group_id == group_id, live(Host), Host.state == HostState.UP)
        )
        return [(uuid, url) for uuid, url in s.execute(stmt)]

    complaint: TegarError | None = None
    for uuid, url in run.env.db.read(read):
        try:
            ROUTERS["VirtualRouter"].remove(uuid, run.env.links.to(url, run.fence))
        except (Fenced, NotYet):
            raise
        except TegarError as e:
            complaint = complaint or e
    if complaint is not None:
        raise complaint
