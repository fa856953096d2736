"""Load balancers inside of tiers, as the VPC's routers are told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.rule import Balancer, Member
from tegar.store import internal_balancers
from tegar.store.internal_balancers import InternalBalancer, InternalLb
from tegar.store.networks import Network, Nic


def of(s: Session, served: Sequence[Network]) -> tuple[Balancer, ...]:
    """Return the balancers in networks, oldest first; those of stopped instances are left out."""
    rules = internal_balancers.rules(s, [n.id for n in served])
    lbs = {
        lb.id: lb for lb in s.scalars(select(InternalLb).where(InternalLb.id.in_({r.lb_id for r in rules})))
    }
    return tuple(_balancer(s, r, lbs[r.lb_id]) for r in rules if not lbs[r.lb_id].stopped)


def _balancer(s: Session, rule: InternalBalancer, lb: InternalLb) -> Balancer:
    ids = [m.nic_id for m in internal_balancers.members(s, rule.id)]
    nics = s.scalars(select(Nic).where(Nic.id.in_(ids), live(Nic)).order_by(Nic.id))
    return Balancer(
        uuid=rule.uuid,
        ip=lb.ip,
        port=rule.port,
        algorithm=rule.algorithm,
        protocol="tcp",
        members=tuple(Member(nic.ip, rule.instance_port) for nic in nics),
    )
