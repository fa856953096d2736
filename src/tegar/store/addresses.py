"""Public addresses: who has them, and what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Row, live
from tegar.store.networks import Network, VlanRange


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


def of_group(s: Session, served: Sequence[Network]) -> Sequence[PublicAddress]:
    """Return the addresses that routers hold who serve these networks: theirs, and those of their VPC."""
    mine = [PublicAddress.network_id.in_([n.id for n in served])]
    vpc_ids = {n.vpc_id for n in served if n.vpc_id is not None}
    if vpc_ids:
        mine.append(PublicAddress.vpc_id.in_(vpc_ids))
    stmt = select(PublicAddress).where(or_(*mine), live(PublicAddress))
    stmt = stmt.where(PublicAddress.state == State.ALLOCATED)
    return s.scalars(stmt.order_by(PublicAddress.id)).all()


def free(
    s: Session, zone_id: int, *, account_id: int, domain_id: int, want_ip: str = ""
) -> PublicAddress | None:
    """Return a free address (that one, if named) for an account, None when there is none.

    Of ranges that are dedicated to the account or its domain first, and never of those dedicated to others.
    """
    mine = or_(
        VlanRange.account_id == account_id,
        and_(VlanRange.account_id.is_(None), VlanRange.domain_id == domain_id),
    )
    everybodys = and_(VlanRange.account_id.is_(None), VlanRange.domain_id.is_(None))
    stmt = (
        select(PublicAddress)
        .join(VlanRange, VlanRange.id == PublicAddress.range_id)
        .where(PublicAddress.zone_id == zone_id, PublicAddress.state == State.FREE, live(PublicAddress))
        .where(or_(mine, everybodys))
    )
    if want_ip:
        stmt = stmt.where(PublicAddress.ip == want_ip)
    return s.scalars(stmt.order_by(everybodys, PublicAddress.id).limit(1)).first()


def take(row: PublicAddress, account_id: int, domain_id: int, now_s: float) -> PublicAddress:
    """Give a free or reserved address to an account."""
    row.state, row.account_id, row.domain_id = State.ALLOCATED, account_id, domain_id
    row.allocated_s, row.shown = now_s, True
    return row


def let_go(row: PublicAddress) -> None:
    """Let an address be anybody's again; no router may hold it any more."""
    row.state, row.account_id, row.domain_id = State.FREE, None, None
    row.network_id, row.vpc_id, row.allocated_s, row.shown = None, None, None, True
    row.source_nat = row.elastic = False
    stand_for_nobody(row)


def stand_for_nobody(row: PublicAddress) -> None:
    """End the static NAT of an address."""
    row.static_nat, row.nic_id, row.guest_ip = False, None, None
