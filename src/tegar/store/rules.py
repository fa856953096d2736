"""Every kind of rule that routers obey: one line each.  A rule is a row with a ``state`` of ``RuleState``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from tegar.store import internal_balancers
from tegar.store.acls import NetworkAclItem
from tegar.store.firewall import FirewallRule
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.internal_balancers import InternalBalancer, InternalMember

RULES: dict[str, Any] = {
    "firewall": FirewallRule,
    "acl": NetworkAclItem,
    "gateway": PrivateGateway,
    "route": StaticRoute,
    "internal_balancer": InternalBalancer,
    "internal_member": InternalMember,
}

# What else goes when a rule of that kind is gone.
FORGET: dict[str, Callable[[Session, Any, float], None]] = {
    "internal_balancer": internal_balancers.forget,
}


def noun_of(row: Any) -> str:
    """Return the name under which a rule's kind is kept."""
    return next(noun for noun, kind in RULES.items() if isinstance(row, kind))


def end(s: Session, noun: str, row: Any, now_s: float) -> None:
    """Mark a rule as gone, with what was only there for it."""
    row.removed_s = now_s
    s.flush()
    if noun in FORGET:
        FORGET[noun](s, row, now_s)
