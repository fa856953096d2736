"""Hosts, what is held on them, and when they were last heard."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.kernel.lease import changed
from tegar.model.host import HOST, Resource, State
from tegar.store.leases import HostLease


class Host(Row):
    """A machine that runs VMs."""

    __tablename__ = "host"
    __table_args__ = (Index("ix_host_place", "zone_id", "cluster_id", "state"), Row.__table_args__)
    machine = HOST

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    pod_id: Mapped[int] = mapped_column(ForeignKey("pod.id"))
    cluster_id: Mapped[int] = mapped_column(ForeignKey("cluster.id"))
    name: Mapped[str] = mapped_column(String(100), index=True)
    url: Mapped[str] = mapped_column(String(255))
    address: Mapped[str] = mapped_column(String(100))
    migration_address: Mapped[str] = mapped_column(String(100))
    hypervisor: Mapped[str] = mapped_column(String(20))
    hypervisor_version: Mapped[str] = mapped_column(String(40))
    agent_version: Mapped[str] = mapped_column(String(40))
    host_uuid: Mapped[str] = mapped_column(String(36), index=True)
    accel: Mapped[str] = mapped_column(String(10))
    can: Mapped[str] = mapped_column(Text)
    state: Mapped[State] = mapped_column(default=State.UP)
    resource_state: Mapped[Resource] = mapped_column(default=Resource.ENABLED)
    cpus: Mapped[int]
    cpu_mhz: Mapped[int]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    tags: Mapped[str] = mapped_column(String(255), default="")
    ha_enabled: Mapped[bool] = mapped_column(default=True)
    report_digest: Mapped[str | None] = mapped_column(String(64))


class HostUse(Base):
    """What is promised on a host: changed by conditional updates only, never read to decide and then written."""

    __tablename__ = "host_use"

    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), primary_key=True, autoincrement=False)
    cpu_mhz: Mapped[int] = mapped_column(BigInteger, default=0)
    memory_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class Hold(Base):
    """Memory and CPU that a VM holds on a host; during a migration it holds on two.

    It is also the VM's *place*: the lease (boot and epoch) under which it may run there.  A VM may be
    started elsewhere only when a proof is recorded for every place it holds.  ``boot`` is empty on a
    host without leases.
    """

    __tablename__ = "hold"
    __table_args__ = (UniqueConstraint("vm_id", "host_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    vm_id: Mapped[int] = mapped_column(BIG)
    host_id: Mapped[int] = mapped_column(BIG, index=True)
    cpu_mhz: Mapped[int] = mapped_column(BigInteger)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    boot: Mapped[str] = mapped_column(String(80), default="")
    epoch: Mapped[int] = mapped_column(default=0)


class Pulse(Base):
    """When a host last answered and how busy it was; hot, so a table of its own.

    ``stalled`` are the uuids of pools that hang for it, comma-separated.
    """

    __tablename__ = "pulse"

    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), primary_key=True, autoincrement=False)
    seen_s: Mapped[float]
    boot_id: Mapped[str] = mapped_column(String(80))
    cpu_used: Mapped[float] = mapped_column(default=0.0)
    memory_used_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    stalled: Mapped[str] = mapped_column(String(1000), default="")


def hold(
    s: Session,
    host: Host,
    *,
    vm_id: int,
    cpu_mhz: int,
    memory_bytes: int,
    cpu_limit_mhz: int,
    memory_limit_bytes: int,
) -> bool:
    """Take room on a host for a VM; False when it has no room any more.  Holding twice is holding once.

    Whether the host is enabled is asked again with the update: a placement that began before its
    maintenance must not end there.  The host's lease of this moment is the one the VM may run under.
    """
    if s.scalar(select(Hold.id).where(Hold.vm_id == vm_id, Hold.host_id == host.id)) is not None:
        return True
    lease = s.execute(
        select(HostLease.boot, HostLease.epoch, HostLease.state).where(HostLease.host_id == host.id)
    ).first()
    if lease is not None and lease.state != "live":
        return False
    boot, epoch = (lease.boot, lease.epoch) if lease is not None else ("", 0)
    enabled = select(Host.id).where(Host.id == host.id, Host.resource_state == Resource.ENABLED)
    room = update(HostUse).where(
        HostUse.host_id == host.id,
        enabled.exists(),
        HostUse.memory_bytes + memory_bytes <= memory_limit_bytes,
        HostUse.cpu_mhz + cpu_mhz <= cpu_limit_mhz,
    )
    if (
        changed(
            s,
            room.values(cpu_mhz=HostUse.cpu_mhz + cpu_mhz, memory_bytes=HostUse.memory_bytes + memory_bytes),
        )
        != 1
    ):
        return False
    s.execute(
        insert(Hold).values(
            vm_id=vm_id, host_id=host.id, cpu_mhz=cpu_mhz, memory_bytes=memory_bytes, boot=boot, epoch=epoch
        )
    )
    return True


def release(s: Session, *, vm_id: int, host_id: int | None = None) -> None:
    """Give a VM's room back, on one host or on all; releasing what is free is a success."""
    mine = select(Hold).where(Hold.vm_id == vm_id)
    if host_id is not None:
        mine = mine.where(Hold.host_id == host_id)
    for held in s.scalars(mine).all():
        if changed(s, delete(Hold).where(Hold.id == held.id)) == 1:
            s.execute(
                update(HostUse)
                .where(HostUse.host_id == held.host_id)
                .values(
                    cpu_mhz=HostUse.cpu_mhz - held.cpu_mhz,
                    memory_bytes=HostUse.memory_bytes - held.memory_bytes,
                )
            )


def uses(s: Session, host_ids: Sequence[int]) -> dict[int, HostUse]:
    """Return what is promised on hosts, by host id."""
    return {u.host_id: u for u in s.scalars(select(HostUse).where(HostUse.host_id.in_(host_ids)))}


def pulses(s: Session, host_ids: Sequence[int]) -> dict[int, Pulse]:
    """Return when hosts were last heard, by host id."""
    return {p.host_id: p for p in s.scalars(select(Pulse).where(Pulse.host_id.in_(host_ids)))}


def in_zone(s: Session, zone_id: int) -> Sequence[Host]:
    """Return the hosts of a zone."""
    return s.scalars(select(Host).where(Host.zone_id == zone_id, live(Host)).order_by(Host.id)).all()


def settle_use(s: Session, host_id: int) -> None:
    """Wait for those who take room on a host at this moment, and keep others out until this transaction ends."""
    s.execute(select(HostUse.host_id).where(HostUse.host_id == host_id).with_for_update())


def held_by(s: Session, vm_id: int) -> set[int]:
    """Return the hosts on which a VM holds room."""
    return set(s.scalars(select(Hold.host_id).where(Hold.vm_id == vm_id)))
