"""Primary storage pools and the templates cached on them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.model.spec import PoolKind, PoolSpec


class Pool(Row):
    """A primary storage.  ``allocated_bytes`` is what its disks may grow to; written by conditional update."""

    __tablename__ = "pool"

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    pod_id: Mapped[int | None] = mapped_column(ForeignKey("pod.id"))
    cluster_id: Mapped[int | None] = mapped_column(ForeignKey("cluster.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[PoolKind] = mapped_column()
    server: Mapped[str] = mapped_column(String(255), default="")
    path: Mapped[str]
    scope: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="Up")
    tags: Mapped[str] = mapped_column(String(255), default="")
    capacity_bytes: Mapped[int] = mapped_column(BigInteger)
    used_bytes: Mapped[int] = mapped_column(BigInteger, default=0)

    def spec(self) -> PoolSpec:
        """Return the pool as drivers know it."""
        return PoolSpec(self.uuid, PoolKind(self.kind), self.path, self.server)


class PoolUse(Base):
    """What is promised on a pool."""

    __tablename__ = "pool_use"

    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"), primary_key=True, autoincrement=False)
    allocated_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class Seed(Base):
    """A template cached on a pool, or on its way there."""

    __tablename__ = "seed"
    __table_args__ = (UniqueConstraint("template_id", "pool_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    template_id: Mapped[int] = mapped_column(BIG)
    pool_id: Mapped[int] = mapped_column(BIG, index=True)
    ready: Mapped[bool] = mapped_column(default=False)
    physical_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


def reached_from(s: Session, *, zone_id: int, cluster_id: int) -> Sequence[Pool]:
    """Return the pools that the hosts of a cluster reach."""
    stmt = select(Pool).where(
        Pool.zone_id == zone_id, live(Pool), or_(Pool.cluster_id.is_(None), Pool.cluster_id == cluster_id)
    )
    return s.scalars(stmt.order_by(Pool.id)).all()
