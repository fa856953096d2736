"""Rows to the whole desired state of a router: put together from what each noun of ``saga.desired`` says."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.network import State
from tegar.model.router import RouterSpec
from tegar.saga.desired import gateways, internal_balancer, subnets
from tegar.store.networks import Network
from tegar.store.routers import Router, RouterGroup


def router_spec(s: Session, group: RouterGroup, router: Router) -> RouterSpec:
    """Return what a router of a group should do and its version, of one moment."""
    served = s.scalars(
        select(Network)
        .where(Network.group_id == group.id, Network.state == State.IMPLEMENTED, live(Network))
        .order_by(Network.id)
    ).all()
    return RouterSpec(
        uuid=router.uuid,
        version=group.desired,
        subnets=tuple(subnets.of(s, network, router) for network in served),
        uplinks=gateways.uplinks(s, group.id),
        balancers=internal_balancer.of(s, served),
        routes=gateways.routes(s, group.id),
    )
