"""Network offerings."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.ops.network_offering_stock import STOCK, stock
from tegar.store.offerings import NetworkOffering


def seed(s: Session) -> None:
    """Write the stock offerings that are missing; removed ones do not come back."""
    there = set(s.scalars(select(NetworkOffering.uuid)))
    s.add_all(row for row in map(stock, STOCK) if row.uuid not in there)
    s.flush()
