"""The public address that a network's guests go out by: taken when it is implemented, kept until it is deleted."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.errors import NoPublicAddress
from tegar.store import addresses
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.zones import Zone


def give(s: Session, network: Network, now_s: float) -> None:
    """Give a network with source NAT its address, unless it has one; a tier goes out by that of its VPC.

    Raises:
        NoPublicAddress: the zone has none left.
    """
    if network.guest_type != "Isolated" or network.vpc_id is not None:
        return
    if not s.get_one(NetworkOffering, network.offering_id).offers("SourceNat") or _has(s, network):
        return
    account_id, domain_id = network.account_id, network.domain_id
    address = addresses.free(s, network.zone_id, account_id=account_id, domain_id=domain_id)
    if address is None:
        raise NoPublicAddress(
            s.get_one(Zone, network.zone_id).name, f"network {network.name}, whose guests go out by one"
        )
    addresses.take(address, account_id, domain_id, now_s)
    address.network_id, address.source_nat = network.id, True
    s.flush()


def _has(s: Session, network: Network) -> bool:
    stmt = select(PublicAddress.id).where(
        PublicAddress.network_id == network.id, PublicAddress.source_nat.is_(True),
        PublicAddress.state == State.ALLOCATED, live(PublicAddress),
    )  # fmt: skip
    return s.scalars(stmt.limit(1)).first() is not None
