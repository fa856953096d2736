"""Every kind of rule that routers obey: one line each.  A rule is a row with a ``state`` of ``RuleState``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.rule import RuleState
from tegar.store import addresses, balancers, internal_balancers, nic_addresses
from tegar.store.acls import NetworkAclItem
from tegar.store.addresses import PublicAddress
from tegar.store.balancers import BalancerMember, HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.firewall import FirewallRule
from tegar.store.forwarding import ForwardingRule
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.internal_balancers import InternalBalancer, InternalMember
from tegar.store.networks import Nic

RULES: dict[str, Any] = {
    "firewall": FirewallRule,
    "forward": ForwardingRule,
    "balancer": LoadBalancer,
    "member": BalancerMember,
    "stickiness": StickinessPolicy,
    "health": HealthPolicy,
    "acl": NetworkAclItem,
    "gateway": PrivateGateway,
    "route": StaticRoute,
    "internal_balancer": InternalBalancer,
    "internal_member": InternalMember,
}

# What else goes when a rule of that kind is gone.
FORGET: dict[type[Any], Callable[[Session, Any, float], None]] = {
    LoadBalancer: balancers.forget,
    InternalBalancer: internal_balancers.forget,
}

OF_ADDRESSES: tuple[Any, ...] = (FirewallRule, ForwardingRule, LoadBalancer)  # those with an ``address_id``


def noun_of(row: Any) -> str:
    """Return the name under which a rule's kind is kept."""
    return next(noun for noun, kind in RULES.items() if isinstance(row, kind))


def end(s: Session, row: Any, now_s: float) -> None:
    """Mark a rule as gone, with what was only there for it."""
    row.removed_s = now_s
    s.flush()
    if type(row) in FORGET:
        FORGET[type(row)](s, row, now_s)


def of_address(s: Session, address_id: int) -> list[Any]:
    """Return the rules of an address, of every kind, those that are being deleted too."""
    return [
        row
        for kind in OF_ADDRESSES
        for row in s.scalars(select(kind).where(kind.address_id == address_id, live(kind)).order_by(kind.id))
    ]


def forget_address(s: Session, address_id: int, now_s: float) -> None:
    """Remove the rules of an address."""
    for row in of_address(s, address_id):
        end(s, row, now_s)


def forget_network(s: Session, network_id: int, now_s: float) -> None:
    """Remove the rules of a network that is gone, and let its addresses go (a VPC keeps its own)."""
    for kind in OF_ADDRESSES:
        for row in s.scalars(select(kind).where(kind.network_id == network_id, live(kind))):
            end(s, row, now_s)
    for rule in internal_balancers.rules(s, [network_id]):
        end(s, rule, now_s)
    held = select(PublicAddress).where(PublicAddress.network_id == network_id, live(PublicAddress))
    for address in s.scalars(held):
        if address.vpc_id is None:
            addresses.let_go(address)
        else:
            address.network_id = None
            addresses.stand_for_nobody(address)


def forget_nics(s: Session, nic_ids: Sequence[int], now_s: float) -> None:
    """Remove the rules that lead to NICs which are going, with what was opened for them.

    Addresses that came with a NIC are Releasing: they are free once the routers obey (``let_elastic_go``).
    The caller counts a change of what the routers of the NICs' networks should do.
    """
    for rule in leading_to(s, nic_ids):
        rule.removed_s = now_s
        _forget_opening(s, rule, now_s)
    stands = select(PublicAddress).where(PublicAddress.nic_id.in_(nic_ids), live(PublicAddress))
    for address in s.scalars(stands):
        if address.elastic and address.state == addresses.State.ALLOCATED:
            address.state = addresses.State.RELEASING
            forget_address(s, address.id, now_s)
        addresses.stand_for_nobody(address)


def leading_to(s: Session, nic_ids: Sequence[int]) -> Iterable[Any]:
    """Give the rules that lead to NICs, those that are being deleted too."""
    for kind in (ForwardingRule, BalancerMember, InternalMember):
        yield from s.scalars(select(kind).where(kind.nic_id.in_(nic_ids), live(kind))).all()


def lead_to_ip(s: Session, nic: Nic, ip: str) -> bool:
    """Return whether something leads to one of a NIC's addresses that somebody asked for."""
    if any(getattr(rule, "guest_ip", nic.ip) == ip for rule in leading_to(s, [nic.id])):
        return True
    row = PublicAddress
    stmt = select(row.id).where(row.nic_id == nic.id, row.guest_ip == ip, row.elastic.is_(False), live(row))
    return s.scalars(stmt.limit(1)).first() is not None


def _forget_opening(s: Session, rule: Any, now_s: float) -> None:
    opening_id = getattr(rule, "opening_id", None)
    opening = s.get(FirewallRule, opening_id) if opening_id else None
    if opening is not None and not opening.removed_s:
        opening.removed_s = now_s


def elastic_leaving(s: Session, network_ids: Sequence[int]) -> list[PublicAddress]:
    """Return the addresses of networks that came with something that is gone."""
    stmt = select(PublicAddress).where(
        PublicAddress.network_id.in_(network_ids),
        PublicAddress.elastic.is_(True),
        PublicAddress.state == addresses.State.RELEASING,
    )
    return list(s.scalars(stmt))


def addresses_of_nic(s: Session, nic_id: int) -> set[str]:
    """Return the secondary addresses that a NIC has in its network and keeps."""
    return {
        row.ip for row in nic_addresses.of_nics(s, [nic_id]).get(nic_id, ()) if row.state == RuleState.ACTIVE
    }
