"""Rows to the whole desired state of a router: put together from what each noun of ``saga.desired`` says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.secret import Vault
from tegar.model.network import State
from tegar.model.router import PairSpec, RouterSpec
from tegar.saga.desired import (
    addresses,
    balancer,
    firewall,
    forwarding,
    gateways,
    internal_balancer,
    subnets,
)
from tegar.store.addresses import PublicAddress, of_group
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import Router, RouterGroup


def router_spec(s: Session, group: RouterGroup, router: Router, vault: Vault | None = None) -> RouterSpec:
    """Return what a router of a group should do and its version, of one moment.

    Without a vault, load balancers have no certificates.
    """
    served = s.scalars(
        select(Network)
        .where(Network.group_id == group.id, Network.state == State.IMPLEMENTED, live(Network))
        .order_by(Network.id)
    ).all()
    held, served_ids = of_group(s, served), {n.id for n in served}
    forwards = forwarding.forwards(s, held, served_ids)
    nats = forwarding.static_nats(held, served_ids)
    balanced = balancer.balancers(s, held, served_ids, vault)
    open_ips = _unguarded(s, served, held)
    return RouterSpec(
        uuid=router.uuid,
        version=group.desired,
        subnets=tuple(subnets.of(s, network, router) for network in served),
        uplinks=(*addresses.uplinks(s, group.id, held), *gateways.uplinks(s, group.id)),
        openings=(*firewall.openings(s, held), *firewall.unguarded(open_ips, forwards, nats, balanced)),
        forwards=forwards,
        static_nats=nats,
        pair=_pair(group, router),
        balancers=(*balanced, *internal_balancer.of(s, served)),
        routes=gateways.routes(s, group.id),
    )


def _pair(group: RouterGroup, router: Router) -> PairSpec | None:
    """Return what a router of a pair is in it: the one that is to be primary has the higher priority."""
    if not group.redundant:
        return None
    leads = (router.position == 0) != group.swapped
    return PairSpec(vrid=group.id % 255 + 1, priority=150 if leads else 100)


def _unguarded(s: Session, served: Sequence[Network], held: Sequence[PublicAddress]) -> set[str]:
    """Return the addresses that lead into networks without a firewall (a VPC's tiers have lists instead)."""
    offerings = {
        o.id: o
        for o in s.scalars(
            select(NetworkOffering).where(NetworkOffering.id.in_({n.offering_id for n in served}))
        )
    }
    without = {n.id for n in served if not offerings[n.offering_id].offers("Firewall")}
    return {a.ip for a in held if a.network_id in without}
