"""Ids of segments: which VLAN or VXLAN of a physical network belongs to which guest network."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ForeignKey, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.store.networks import Network


class SegmentUse(Base):
    """An id that is taken from the physical network's ranges; it is given back when the network is shut down."""

    __tablename__ = "segment_use"
    __table_args__ = (UniqueConstraint("physical_network_id", "tag"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"))
    tag: Mapped[int]
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)


class DedicatedRange(Row):
    """Ids of a physical network that only one account's networks (or one domain's) get: ``first`` to ``last``."""

    __tablename__ = "dedicated_range"

    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"), index=True)
    first: Mapped[int]
    last: Mapped[int]


def take(s: Session, physical_network_id: int, ranges: str, network: Network) -> int | None:
    """Give a network the lowest free id of ranges such as ``100-200,300-310``; None when all are taken.

    Ids that are dedicated to its account, or its domain, come first; others' never.  Another network that takes the
    same id at the same moment clashes, and its transaction runs again.
    """
    mine = s.scalar(select(SegmentUse.tag).where(SegmentUse.network_id == network.id))
    if mine is not None:
        return mine
    taken = used(s, physical_network_id)
    own, others = _dedicated(s, physical_network_id, network)
    free = (n for first, last in own for n in range(first, last + 1) if n not in taken)
    tag = next(free, None)
    if tag is None:
        rest = (n for n in numbers(ranges) if n not in taken)
        tag = next((n for n in rest if not any(a <= n <= b for a, b in (*own, *others))), None)
    if tag is not None:
        occupy(s, physical_network_id, tag, network.id)
    return tag


def used(s: Session, physical_network_id: int) -> set[int]:
    """Return the ids that networks of a physical network have, whether taken from its ranges or chosen by hand."""
    taken = s.scalars(select(SegmentUse.tag).where(SegmentUse.physical_network_id == physical_network_id))
    chosen = select(Network.vlan).where(Network.physical_network_id == physical_network_id, live(Network))
    return {*taken, *(int(v) for v in s.scalars(chosen) if v.isdigit())}


def occupy(s: Session, physical_network_id: int, tag: int, network_id: int) -> None:
    """Write down that a network has an id."""
    s.add(SegmentUse(physical_network_id=physical_network_id, tag=tag, network_id=network_id))
    s.flush()


def _dedicated(
    s: Session, physical_network_id: int, network: Network
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the ranges dedicated to a network's owner, lowest first, and those dedicated to others."""
    stmt = select(DedicatedRange).where(
        DedicatedRange.physical_network_id == physical_network_id, live(DedicatedRange)
    )
    own: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for row in s.scalars(stmt.order_by(DedicatedRange.first)):
        for_domain = row.account_id is None and row.domain_id == network.domain_id
        mine = for_domain or row.account_id == network.account_id
        (own if mine else others).append((row.first, row.last))
    return own, others


def give_back(s: Session, network_id: int) -> None:
    """Take a network's id back."""
    s.execute(delete(SegmentUse).where(SegmentUse.network_id == network_id))


def numbers(ranges: str) -> Iterator[int]:
    """Give every id of ranges in normal form."""
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
