"""Public addresses: who has them, and what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Row, live


class State(StrEnum):
    """Where an address is; the values are the API's."""

    FREE = "Free"
    ALLOCATED = "Allocated"
    RELEASING = "Releasing"
    RESERVED = "Reserved"


class PublicAddress(Row):
    """An address of a zone's public ranges; a row from the moment its range is given.

    Attributes:
        network_id: the network it leads into, if it is of one.
        vpc_id: the VPC it is of; its ``network_id`` may follow with its first rule.
        source_nat: guests go out by it.
        nic_id: static NAT: the NIC it stands for, and ``guest_ip``, which of that NIC's addresses.
        elastic: it came with the VM or the rule that it serves, and goes with it.
    """

    __tablename__ = "public_address"
    __table_args__ = (
        UniqueConstraint("range_id", "ip"),
        Index("ix_public_address_free", "zone_id", "state", "id"),
        Row.__table_args__,
    )

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    range_id: Mapped[int] = mapped_column(ForeignKey("vlan_range.id"))
    ip: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[State] = mapped_column(default=State.FREE)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int | None] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int | None] = mapped_column(ForeignKey("network.id"), index=True)
    vpc_id: Mapped[int | None] = mapped_column(BIG, index=True)
    source_nat: Mapped[bool] = mapped_column(default=False)
    static_nat: Mapped[bool] = mapped_column(default=False)
    nic_id: Mapped[int | None] = mapped_column(BIG, index=True)
    guest_ip: Mapped[str | None] = mapped_column(String(64))
    elastic: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[bool] = mapped_column(default=True)
    allocated_s: Mapped[float | None]


def of_network(s: Session, network_id: int) -> Sequence[PublicAddress]:
    """Return the addresses that lead into a network, the source NAT address first."""
    stmt = select(PublicAddress).where(PublicAddress.network_id == network_id, live(PublicAddress))
    stmt = stmt.where(PublicAddress.state == State.ALLOCATED)
    return s.scalars(stmt.order_by(PublicAddress.source_nat.desc(), PublicAddress.id)).all()


def free(s: Session, zone_id: int, want_ip: str = "") -> PublicAddress | None:
    """Return a free address of a zone (that one, if named), None when there is none."""
    stmt = select(PublicAddress).where(
        PublicAddress.zone_id == zone_id, PublicAddress.state == State.FREE, live(PublicAddress)
    )
    if want_ip:
        stmt = stmt.where(PublicAddress.ip == want_ip)
    return s.scalars(stmt.order_by(PublicAddress.id).limit(1)).first()
