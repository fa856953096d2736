"""Which VMs a VM needs: it is restarted after they are ready."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import ForeignKey, UniqueConstraint, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, live
from tegar.store.vms import Vm


class VmDependency(Base):
    """A VM and one that it needs."""

    __tablename__ = "vm_dependency"
    __table_args__ = (UniqueConstraint("vm_id", "needs_vm_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    needs_vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), index=True)


def needs_of(s: Session, vm_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the ids of the VMs that VMs need, by the id of who needs them; expunged ones are not needed."""
    found: dict[int, list[int]] = defaultdict(list)
    stmt = select(VmDependency.vm_id, VmDependency.needs_vm_id).join(Vm, Vm.id == VmDependency.needs_vm_id)
    for vm_id, needs in s.execute(
        stmt.where(VmDependency.vm_id.in_(vm_ids), live(Vm)).order_by(VmDependency.id)
    ):
        found[vm_id].append(needs)
    return found


def reach(s: Session, vm_ids: Iterable[int]) -> set[int]:
    """Return these VMs and all that they need, directly or not."""
    found: set[int] = set()
    next_ids = set(vm_ids)
    while next_ids:
        found |= next_ids
        stmt = select(VmDependency.needs_vm_id).where(VmDependency.vm_id.in_(next_ids))
        next_ids = set(s.scalars(stmt)) - found
    return found


def settle(s: Session, vm_ids: Collection[int]) -> None:
    """Wait for those who change what these VMs need, and keep others out until this transaction ends."""
    s.execute(select(Vm.id).where(Vm.id.in_(vm_ids)).order_by(Vm.id).with_for_update()).all()


def put(s: Session, vm_id: int, needs: Iterable[int]) -> None:
    """Let a VM need these and no others."""
    s.execute(delete(VmDependency).where(VmDependency.vm_id == vm_id))
    for needs_vm_id in sorted(set(needs)):
        s.execute(insert(VmDependency).values(vm_id=vm_id, needs_vm_id=needs_vm_id))
