"""Volumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import BigInteger, ForeignKey, Index, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.kernel.lease import changed
from tegar.model.spec import PoolSpec
from tegar.model.volume import VOLUME, Kind, State
from tegar.store.hosts import Hold
from tegar.store.pools import Pool, PoolUse


class Volume(Row):
    """A disk of a VM, or one that waits for a VM.

    ``held_bytes`` is what it has taken of its pool's promise; 0 while it has no pool.
    """

    __tablename__ = "volume"
    __table_args__ = (
        Index("ix_volume_account", "account_id", "removed_s", "id"),
        Index("ix_volume_removed", "removed_s", "id"),
        Row.__table_args__,
    )
    machine = VOLUME

    name: Mapped[str]
    kind: Mapped[Kind] = mapped_column()
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"), index=True)
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("pool.id"), index=True)
    held_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"), index=True)
    device_id: Mapped[int | None]
    offering_id: Mapped[int | None] = mapped_column(ForeignKey("disk_offering.id"))
    template_id: Mapped[int | None] = mapped_column(ForeignKey("template.id"))
    state: Mapped[State] = mapped_column(default=VOLUME.start)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    physical_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    attached_s: Mapped[float | None]
    destroyed_s: Mapped[float | None]
    display_volume: Mapped[bool] = mapped_column(default=True)


def of_vm(s: Session, vm_id: int) -> Sequence[Volume]:
    """Return a VM's volumes, root first."""
    return s.scalars(
        select(Volume).where(Volume.vm_id == vm_id, live(Volume)).order_by(Volume.device_id)
    ).all()


def pools_on_hosts(s: Session) -> dict[int, tuple[PoolSpec, ...]]:
    """Return the pools that the VMs of each host use, by host id."""
    stmt = (
        select(Hold.host_id, Pool)
        .join(Volume, Volume.vm_id == Hold.vm_id)
        .join(Pool, Pool.id == Volume.pool_id)
        .where(live(Volume), live(Pool))
        .distinct()
    )
    found: dict[int, list[PoolSpec]] = defaultdict(list)
    for host_id, pool in s.execute(stmt.order_by(Hold.host_id, Pool.id)):
        found[host_id].append(pool.spec())
    return {host_id: tuple(pools) for host_id, pools in found.items()}


def hold(s: Session, volume: Volume, pool_id: int, limit_bytes: int) -> bool:
    """Take the volume's size of a pool's promise; False when there is no room.  Twice is once."""
    if volume.held_bytes and volume.pool_id == pool_id:
        return True
    room = update(PoolUse).where(
        PoolUse.pool_id == pool_id, PoolUse.allocated_bytes + volume.size_bytes <= limit_bytes
    )
    if changed(s, room.values(allocated_bytes=PoolUse.allocated_bytes + volume.size_bytes)) != 1:
        return False
    volume.pool_id, volume.held_bytes = pool_id, volume.size_bytes
    s.flush()
    return True


def release(s: Session, volume: Volume) -> None:
    """Give the room back."""
    if volume.held_bytes:
        s.execute(
            update(PoolUse)
            .where(PoolUse.pool_id == volume.pool_id)
            .values(allocated_bytes=PoolUse.allocated_bytes - volume.held_bytes)
        )
        volume.held_bytes = 0
        s.flush()
