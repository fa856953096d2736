"""Affinity groups and the VMs in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ForeignKey, Index, UniqueConstraint, delete, exists, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.kernel.lease import changed
from tegar.model.affinity import Kind
from tegar.store.hosts import Hold
from tegar.store.leases import Death
from tegar.store.vms import Vm


class AffinityGroup(Row):
    """VMs of one account that run apart or together."""

    __tablename__ = "affinity_group"
    __table_args__ = (
        Index("ix_affinity_group_name", "account_id", "name"),
        Index("ix_affinity_group_removed", "removed_s", "id"),
        Row.__table_args__,
    )

    name: Mapped[str]
    description: Mapped[str | None]
    kind: Mapped[Kind]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))


class AffinityMember(Base):
    """A VM that is in a group, until it is expunged or the group is deleted."""

    __tablename__ = "affinity_member"
    __table_args__ = (UniqueConstraint("vm_id", "group_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    group_id: Mapped[int] = mapped_column(ForeignKey("affinity_group.id"), index=True)


def of_vm(s: Session, vm_id: int) -> Sequence[AffinityGroup]:
    """Return the groups that a VM is in."""
    mine = select(AffinityMember.group_id).where(AffinityMember.vm_id == vm_id)
    stmt = select(AffinityGroup).where(AffinityGroup.id.in_(mine), live(AffinityGroup))
    return s.scalars(stmt.order_by(AffinityGroup.id)).all()


def of_name(s: Session, account_id: int, name: str) -> AffinityGroup | None:
    """Return the group of that name of an account."""
    stmt = select(AffinityGroup).where(AffinityGroup.account_id == account_id, AffinityGroup.name == name)
    return s.scalars(stmt.where(live(AffinityGroup))).first()


def touch(s: Session, group_ids: Collection[int]) -> int:
    """Write to groups so that no other transaction does until this one ends; return how many there are.

    What is read of their VMs afterwards stays true: who would change it waits here.
    """
    if not group_ids:
        return 0
    mine = update(AffinityGroup).where(AffinityGroup.id.in_(sorted(group_ids)), live(AffinityGroup))
    return changed(
        s, mine.values(version=AffinityGroup.version + 1).execution_options(synchronize_session=False)
    )


def places(s: Session, group_ids: Collection[int], *, but_vm_id: int) -> dict[int, list[tuple[int, str]]]:
    """Return, by group, each host where a VM of it holds room, and the VM's name; one VM left out.

    A VM that is starting holds room already; one that is moving holds it on two hosts.  Places that are
    proven dead do not count: nothing comes back there.
    """
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    dead = exists().where(
        Hold.boot != "",
        Death.host_id == Hold.host_id,
        Death.boot == Hold.boot,
        Death.epoch >= Hold.epoch,
        Death.vm_id == 0,
    )
    stmt = (
        select(AffinityMember.group_id, Hold.host_id, Vm.name)
        .join(Hold, Hold.vm_id == AffinityMember.vm_id)
        .join(Vm, Vm.id == AffinityMember.vm_id)
        .where(AffinityMember.group_id.in_(group_ids), AffinityMember.vm_id != but_vm_id, ~dead)
        .order_by(Hold.id)
    )
    for group_id, host_id, name in s.execute(stmt):
        found[group_id].append((host_id, name))
    return found


def put(s: Session, vm_id: int, group_ids: Iterable[int]) -> None:
    """Make a VM a member of these groups and no others."""
    leave(s, vm_id)
    for group_id in sorted(set(group_ids)):
        s.execute(insert(AffinityMember).values(vm_id=vm_id, group_id=group_id))


def leave(s: Session, vm_id: int) -> None:
    """Take a VM out of all groups."""
    s.execute(delete(AffinityMember).where(AffinityMember.vm_id == vm_id))


def empty(s: Session, group_id: int) -> None:
    """Take all VMs out of a group."""
    s.execute(delete(AffinityMember).where(AffinityMember.group_id == group_id))
