"""Every kind of rule that routers obey: one line each.  A rule is a row with a ``state`` of ``RuleState``."""

from __future__ import annotations

from typing import Any

from tegar.store.firewall import FirewallRule

RULES: dict[str, Any] = {
    "firewall": FirewallRule,
}


def noun_of(row: Any) -> str:
    """Return the name under which a rule's kind is kept."""
    return next(noun for noun, kind in RULES.items() if isinstance(row, kind))
