"""The routers of a VPC when its tiers come and go: they stand while a tier is implemented, their rows while it lives."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run
from tegar.model.network import State
from tegar.model.router import Role
from tegar.saga.env import Env
from tegar.saga.router_obey import obey
from tegar.store import internal_balancers, routers
from tegar.store.internal_balancers import InternalBalancer
from tegar.store.networks import Network

P = TypeVar("P")


def serves(s: Session, group_id: int) -> bool:
    """Return whether a tier is implemented, so that the routers have something to do."""
    here = select(Network.id).where(
        Network.group_id == group_id, Network.state == State.IMPLEMENTED, live(Network)
    )
    return s.scalars(here).first() is not None


def leave(s: Session, network_id: int) -> int | None:
    """Count a change when a tier's routers have other tiers to serve and return their group; None otherwise."""
    network = s.get_one(Network, network_id)
    if network.vpc_id is None or network.group_id is None or not serves(s, network.group_id):
        return None
    routers.want_again(s, network.group_id)
    return network.group_id


def told(run: Run[Env, P], group_id: int, *, forced: bool) -> None:
    """Let the routers leave a tier; ``forced``: one that does not answer hears of it when it does."""
    try:
        obey(run.env, group_id, run.fence)
    except (Fenced, NotYet):
        raise
    except TegarError:
        if not forced:
            raise


def rest(s: Session, network: Network, now_s: float) -> None:
    """After a tier is gone: its balancers are too, and routers without any other tier are on no host."""
    stmt = select(InternalBalancer).where(InternalBalancer.network_id == network.id, live(InternalBalancer))
    for rule in s.scalars(stmt).all():
        rule.removed_s = now_s
        s.flush()
        internal_balancers.forget(s, rule, now_s)
    if network.group_id is None or serves(s, network.group_id):
        return
    for router in routers.of_group(s, network.group_id):
        router.host_id, router.applied, router.role = None, 0, Role.UNKNOWN.value
