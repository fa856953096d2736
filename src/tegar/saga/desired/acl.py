"""Network ACLs of tiers and private gateways."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tegar.model.rule import AclItem
from tegar.store import acls


def of(s: Session, list_id: int | None) -> tuple[AclItem, ...] | None:
    """Return the items of a list in their order, None without a list.  What no item names is denied."""
    if list_id is None:
        return None
    return tuple(item.spec() for item in acls.items(s, list_id))
