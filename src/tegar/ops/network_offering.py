"""Network offerings."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.store.offerings import NetworkOffering
from tegar.store.stock import stock_uuid

SHARED = "DefaultSharedNetworkOffering"
STOCK = (SHARED,)


def stock(name: str) -> NetworkOffering:
    """Return a stock offering, not yet written."""
    return NetworkOffering(
        uuid=stock_uuid(NetworkOffering, name),
        name=name,
        display_text="Shared networks: addresses, names and user data by the virtual router",
        guest_type="Shared",
        state="Enabled",
        services="Dhcp=VirtualRouter,Dns=VirtualRouter,UserData=VirtualRouter",
        specify_vlan=True,
        specify_ip_ranges=True,
        is_default=True,
    )


def seed(s: Session) -> None:
    """Write the stock offerings that are missing; removed ones do not come back."""
    there = set(s.scalars(select(NetworkOffering.uuid)))
    s.add_all(row for row in map(stock, STOCK) if row.uuid not in there)
    s.flush()
