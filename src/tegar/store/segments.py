"""Ids of segments: which VLAN or VXLAN of a physical network belongs to which guest network."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ForeignKey, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base


class SegmentUse(Base):
    """An id that is taken from the physical network's ranges; it is given back when the network is shut down."""

    __tablename__ = "segment_use"
    __table_args__ = (UniqueConstraint("physical_network_id", "tag"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"))
    tag: Mapped[int]
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)


def take(s: Session, physical_network_id: int, ranges: str, network_id: int) -> int | None:
    """Give a network the lowest free id of ranges such as ``100-200,300-310``; None when all are taken.

    Another network that takes the same id at the same moment clashes, and its transaction runs again.
    """
    mine = s.scalar(select(SegmentUse.tag).where(SegmentUse.network_id == network_id))
    if mine is not None:
        return mine
    taken = set(
        s.scalars(select(SegmentUse.tag).where(SegmentUse.physical_network_id == physical_network_id))
    )
    tag = next((n for n in numbers(ranges) if n not in taken), None)
    if tag is not None:
        s.add(SegmentUse(physical_network_id=physical_network_id, tag=tag, network_id=network_id))
        s.flush()
    return tag


def give_back(s: Session, network_id: int) -> None:
    """Take a network's id back."""
    s.execute(delete(SegmentUse).where(SegmentUse.network_id == network_id))


def numbers(ranges: str) -> Iterator[int]:
    """Give every id of ranges in normal form."""
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
