"""Witnesses, leases of hosts as the HA manager sees them, and the recorded proofs of their ends."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ForeignKey, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live


class Witness(Row):
    """A witness; ``cluster_id`` None: of every cluster that has none of its own."""

    __tablename__ = "witness"

    cluster_id: Mapped[int | None] = mapped_column(ForeignKey("cluster.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(100))
    port: Mapped[int]


class HostLease(Base):
    """The latest lease of a guarded host that a majority accepted, and what the HA manager makes of it.

    ``state``: ``joining`` (none seen yet), ``live``, ``suspect``, ``dead``.  Only the HA manager
    writes it, and only on a change.  ``flaps`` counts suspicions that came to nothing within the last
    ten minutes of them, and ``alarms`` says when they did (seconds, comma-separated).
    """

    __tablename__ = "host_lease"

    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), primary_key=True, autoincrement=False)
    boot: Mapped[str] = mapped_column(String(80), default="")
    epoch: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(10), default="joining")
    since_s: Mapped[float]
    dead_s: Mapped[float] = mapped_column(default=0.0)
    braked: Mapped[bool] = mapped_column(default=False)
    flaps: Mapped[int] = mapped_column(default=0)
    alarms: Mapped[str] = mapped_column(String(100), default="")
    quarantined_until_s: Mapped[float] = mapped_column(default=0.0)


class Death(Base):
    """A recorded proof: nothing that ran on the host under this lease, or an older one of the boot, can write.

    ``vm_id`` not 0: it speaks of that VM's copy only (P5), whose place was given up with it.  Rows are
    never changed.
    """

    __tablename__ = "death"
    __table_args__ = (
        Index("ix_death_lease", "host_id", "boot"),
        Index("ix_death_at", "at_s"),
        Base.__table_args__,
    )

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"))
    boot: Mapped[str] = mapped_column(String(80))
    epoch: Mapped[int]
    vm_id: Mapped[int] = mapped_column(BIG, default=0)
    kind: Mapped[str] = mapped_column(String(20))
    evidence: Mapped[str] = mapped_column(Text)
    at_s: Mapped[float]


def witnesses_of(s: Session, cluster_id: int) -> list[Witness]:
    """Return the witnesses of a cluster: its own, or else those of all."""
    found = s.scalars(select(Witness).where(live(Witness)).order_by(Witness.name)).all()
    own = [w for w in found if w.cluster_id == cluster_id]
    return own or [w for w in found if w.cluster_id is None]


def leases_of(s: Session, host_ids: Collection[int]) -> dict[int, HostLease]:
    """Return the leases of guarded hosts, by host id."""
    return {row.host_id: row for row in s.scalars(select(HostLease).where(HostLease.host_id.in_(host_ids)))}


def proof_of(s: Session, host_id: int, boot: str, epoch: int) -> Death | None:
    """Return a recorded proof that nothing which ran under a lease can write any more."""
    of_lease = (Death.host_id == host_id, Death.boot == boot, Death.epoch >= epoch, Death.vm_id == 0)
    return s.scalars(select(Death).where(*of_lease).order_by(Death.id).limit(1)).first()


def latest_proof(s: Session) -> int:
    """Return the id of the latest proof, 0 before the first: what has changed when somebody was proven dead."""
    return s.scalar(select(func.max(Death.id))) or 0
