"""Virtual machines and their counters."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, and_, or_, select
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Base, Row
from tegar.model.vm import HOLDS_HOST, VM, State
from tegar.store.hosts import Hold


class Vm(Row):
    """One virtual machine, from the first request until it is expunged."""

    __tablename__ = "vm"
    __table_args__ = (
        Index("ix_vm_account", "account_id", "removed_s", "id"),
        Index("ix_vm_removed", "removed_s", "id"),
        Index("ix_vm_host", "host_id", "state"),
        Index("ix_vm_state", "state", "destroyed_s"),
        Index("ix_vm_name", "name"),
        Row.__table_args__,
    )
    machine = VM

    name: Mapped[str] = mapped_column(String(63))
    display_name: Mapped[str]
    instance_name: Mapped[str] = mapped_column(String(63), default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"), index=True)
    user_id: Mapped[int]
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    template_id: Mapped[int] = mapped_column(ForeignKey("template.id"))
    offering_id: Mapped[int] = mapped_column(ForeignKey("service_offering.id"))
    state: Mapped[State] = mapped_column(default=VM.start)
    cpus: Mapped[int]
    cpu_mhz: Mapped[int]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    ha: Mapped[bool] = mapped_column(default=False)
    ha_priority: Mapped[int] = mapped_column(default=2)
    ha_ready: Mapped[str] = mapped_column(String(10), default="")
    ha_ready_timeout_s: Mapped[int] = mapped_column(default=120)
    guest_action: Mapped[str] = mapped_column(String(10), default="none")
    epoch: Mapped[int] = mapped_column(default=0)
    epoch_name: Mapped[str] = mapped_column(String(36), default="")  # of this raise of it, at the witnesses
    hypervisor: Mapped[str] = mapped_column(String(20))
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id"))
    last_host_id: Mapped[int | None]
    vnc_port: Mapped[int | None]
    user_data: Mapped[str | None] = mapped_column(Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"))
    key_names: Mapped[str] = mapped_column(String(1000), default="")
    public_keys: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[str] = mapped_column(Text, default="{}")
    group: Mapped[str | None] = mapped_column("group_name", String(255))
    display_vm: Mapped[bool] = mapped_column(default=True)
    delete_protection: Mapped[bool] = mapped_column(default=False)
    destroyed_s: Mapped[float | None]
    updated_s: Mapped[float | None]


def raise_epoch(vm: Vm) -> None:
    """Give a VM its next epoch, with a name that none had before; see ``saga.place.confirmed``."""
    vm.epoch, vm.epoch_name = vm.epoch + 1, str(uuids.uuid4())


class VmStat(Base):
    """The latest counters of a running VM; hot, so a table of its own."""

    __tablename__ = "vm_stat"

    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True, autoincrement=False)
    at_s: Mapped[float]
    cpu_ns: Mapped[int] = mapped_column(BigInteger)
    cpu_used: Mapped[float] = mapped_column(default=0.0)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_read_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_write_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_read_ops: Mapped[int] = mapped_column(BigInteger)
    disk_write_ops: Mapped[int] = mapped_column(BigInteger)
    net_read_bytes: Mapped[int] = mapped_column(BigInteger)
    net_write_bytes: Mapped[int] = mapped_column(BigInteger)


def at_host(s: Session, host_id: int) -> Sequence[Vm]:
    """Return the VMs that are on a host or hold room there to come, HA ones first, then oldest first."""
    holds = select(Hold.vm_id).where(Hold.host_id == host_id)
    here = and_(Vm.host_id == host_id, Vm.state.in_(HOLDS_HOST))
    return s.scalars(select(Vm).where(or_(here, Vm.id.in_(holds))).order_by(Vm.ha.desc(), Vm.id)).all()


def on_host(s: Session, host_id: int) -> Sequence[Vm]:
    """Return the VMs that hold resources on a host, HA ones first, then oldest first."""
    stmt = select(Vm).where(Vm.host_id == host_id, Vm.state.in_(HOLDS_HOST)).order_by(Vm.ha.desc(), Vm.id)
    return s.scalars(stmt).all()
