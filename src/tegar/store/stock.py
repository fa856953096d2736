"""Rows that every cloud begins with have fixed uuids: two servers that start at once clash, not double."""

from __future__ import annotations

import uuid

from tegar.kernel.db import Row

_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "tegar.stock")


def stock_uuid(kind: type[Row], name: str) -> str:
    """Return the uuid that a stock row has in every cloud."""
    return str(uuid.uuid5(_SPACE, f"{kind.__tablename__}/{name}"))
