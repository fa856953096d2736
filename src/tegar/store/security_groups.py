"""Security groups, their rules, the VMs in them, and what hosts know of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.kernel.lease import changed
from tegar.model.host import State as HostState
from tegar.model.rule import Protocol, RuleState
from tegar.model.vm import HOLDS_HOST
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.vms import Vm
from tegar.store.zones import Zone

DEFAULT = "default"


class SecurityGroup(Row):
    """VMs of one account that the same rules are for.

    ``desired`` counts the changes of what its members' filters let through; it grows without the row's version.
    """

    __tablename__ = "security_group"
    __table_args__ = (
        Index("ix_security_group_name", "account_id", "name"),
        Index("ix_security_group_removed", "removed_s", "id"),
        Row.__table_args__,
    )

    name: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    desired: Mapped[int] = mapped_column(default=1)


class SecurityRule(Row):
    """Packets that a group lets in (``inbound``) or out: from or to a CIDR, or the members of a group (``other_id``).

    ``request`` is the same for the rules that were asked for together.
    """

    __tablename__ = "security_rule"

    group_id: Mapped[int] = mapped_column(ForeignKey("security_group.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    inbound: Mapped[bool]
    protocol: Mapped[Protocol] = mapped_column()
    number: Mapped[int | None]
    first_port: Mapped[int | None]
    last_port: Mapped[int | None]
    icmp_type: Mapped[int | None]
    icmp_code: Mapped[int | None]
    cidr: Mapped[str] = mapped_column(String(18), default="")
    other_id: Mapped[int | None] = mapped_column(ForeignKey("security_group.id"), index=True)
    request: Mapped[str] = mapped_column(String(36))


class SecurityMember(Base):
    """A VM that is in a group, until it is expunged."""

    __tablename__ = "security_member"
    __table_args__ = (UniqueConstraint("vm_id", "group_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    group_id: Mapped[int] = mapped_column(ForeignKey("security_group.id"), index=True)


class VmFilter(Base):
    """Which version of a VM's filters its host has.

    The version that is desired is ``base`` and all that its groups have counted; it never goes back.  ``applied`` is
    true of the host ``host_id`` alone.
    """

    __tablename__ = "vm_filter"

    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True, autoincrement=False)
    base: Mapped[int] = mapped_column(default=0)
    applied: Mapped[int] = mapped_column(default=0)
    host_id: Mapped[int | None] = mapped_column(BIG)


def of_name(s: Session, account_id: int, name: str) -> SecurityGroup | None:
    """Return the group of that name of an account."""
    stmt = select(SecurityGroup).where(SecurityGroup.account_id == account_id, SecurityGroup.name == name)
    return s.scalars(stmt.where(live(SecurityGroup))).first()


def of_vm(s: Session, vm_id: int) -> Sequence[SecurityGroup]:
    """Return the groups that a VM is in."""
    mine = select(SecurityMember.group_id).where(SecurityMember.vm_id == vm_id)
    return s.scalars(select(SecurityGroup).where(SecurityGroup.id.in_(mine)).order_by(SecurityGroup.id)).all()


def groups_of(s: Session, vm_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the groups that VMs are in, by VM."""
    found: dict[int, list[int]] = defaultdict(list)
    stmt = select(SecurityMember).where(SecurityMember.vm_id.in_(vm_ids)).order_by(SecurityMember.group_id)
    for member in s.scalars(stmt):
        found[member.vm_id].append(member.group_id)
    return found


def members(s: Session, group_ids: Collection[int]) -> list[int]:
    """Return the VMs that are in any of these groups."""
    stmt = select(SecurityMember.vm_id).where(SecurityMember.group_id.in_(group_ids)).distinct()
    return list(s.scalars(stmt.order_by(SecurityMember.vm_id)))


def rules(s: Session, group_ids: Collection[int]) -> dict[int, list[SecurityRule]]:
    """Return the rules of groups that are in force or coming, by group, oldest first."""
    found: dict[int, list[SecurityRule]] = defaultdict(list)
    stmt = select(SecurityRule).where(SecurityRule.group_id.in_(group_ids), live(SecurityRule))
    stmt = stmt.where(SecurityRule.state != RuleState.REVOKE).order_by(SecurityRule.id)
    for rule in s.scalars(stmt):
        found[rule.group_id].append(rule)
    return found


def naming(s: Session, group_ids: Collection[int]) -> list[int]:
    """Return the groups that have a rule which names one of these."""
    stmt = select(SecurityRule.group_id).where(SecurityRule.other_id.in_(group_ids), live(SecurityRule))
    return list(s.scalars(stmt.distinct().order_by(SecurityRule.group_id)))


def guarded(s: Session, network_ids: Collection[int]) -> set[int]:
    """Return those of the networks that have security groups: by their offering, in a zone that has them."""
    stmt = select(Network.id).join(NetworkOffering, NetworkOffering.id == Network.offering_id)
    stmt = stmt.join(Zone, Zone.id == Network.zone_id).where(Zone.security_groups.is_(True))
    stmt = stmt.where(Network.id.in_(network_ids), NetworkOffering.services.contains("SecurityGroup="))
    return set(s.scalars(stmt))


def touch(s: Session, group_ids: Collection[int]) -> int:
    """Write to groups so that no other transaction does until this one ends; return how many there are.

    What is read of their VMs, and of the rules that name them, stays true: who would change it waits here.
    """
    if not group_ids:
        return 0
    mine = update(SecurityGroup).where(SecurityGroup.id.in_(sorted(group_ids)), live(SecurityGroup))
    again = mine.values(version=SecurityGroup.version + 1)
    return changed(s, again.execution_options(synchronize_session=False))


def want_again(s: Session, group_ids: Collection[int]) -> None:
    """Count a change of what the members of groups should let through."""
    if group_ids:
        mine = update(SecurityGroup).where(SecurityGroup.id.in_(sorted(group_ids)))
        again = mine.values(desired=SecurityGroup.desired + 1)
        s.execute(again.execution_options(synchronize_session=False))


def _counted(vm_ids: Collection[int] | None) -> Any:
    """Return a table of what the groups of each VM (among these) have counted together."""
    stmt = select(SecurityMember.vm_id, func.sum(SecurityGroup.desired).label("desired"))
    stmt = stmt.join(SecurityGroup, SecurityGroup.id == SecurityMember.group_id)
    if vm_ids is not None:
        stmt = stmt.where(SecurityMember.vm_id.in_(vm_ids))
    return stmt.group_by(SecurityMember.vm_id).subquery()


def wanted(s: Session, vm_ids: Collection[int]) -> dict[int, int]:
    """Return the version of its filters that each VM should have; one that never was in a group is left out.

    Read it before the rules: they may be newer than it says, and never older.
    """
    counted = _counted(vm_ids)
    stmt = select(VmFilter.vm_id, VmFilter.base + func.coalesce(counted.c.desired, 0))
    stmt = stmt.outerjoin(counted, counted.c.vm_id == VmFilter.vm_id).where(VmFilter.vm_id.in_(vm_ids))
    return {vm_id: int(version) for vm_id, version in s.execute(stmt)}


def behind(s: Session, vm_ids: Collection[int] | None = None) -> dict[int, list[int]]:
    """Return the VMs (among these) whose hosts are up and do not have their filters as desired, by host."""
    counted = _counted(vm_ids)
    version = VmFilter.base + func.coalesce(counted.c.desired, 0)
    stmt = select(Vm.host_id, Vm.id).join(VmFilter, VmFilter.vm_id == Vm.id)
    stmt = stmt.join(Host, Host.id == Vm.host_id).outerjoin(counted, counted.c.vm_id == Vm.id)
    stmt = stmt.where(Vm.state.in_(HOLDS_HOST), Host.state == HostState.UP)
    stmt = stmt.where(or_(VmFilter.host_id.is_distinct_from(Vm.host_id), VmFilter.applied < version))
    if vm_ids is not None:
        stmt = stmt.where(Vm.id.in_(vm_ids))
    found: dict[int, list[int]] = defaultdict(list)
    for host_id, vm_id in s.execute(stmt.order_by(Vm.host_id, Vm.id)):
        found[host_id or 0].append(vm_id)
    return found


def put(s: Session, vm_id: int, group_ids: Iterable[int]) -> None:
    """Make a VM a member of these groups and no others; its version grows.

    The caller has touched the groups, those of before too, and counts a change of those that name them.
    """
    row = s.get(VmFilter, vm_id)
    if row is None:
        row = VmFilter(vm_id=vm_id)
        s.add(row)
        s.flush()
    before = wanted(s, [vm_id])[vm_id]
    s.execute(delete(SecurityMember).where(SecurityMember.vm_id == vm_id))
    for group_id in sorted(set(group_ids)):
        s.execute(insert(SecurityMember).values(vm_id=vm_id, group_id=group_id))
    row.base += max(0, before - wanted(s, [vm_id])[vm_id]) + 1
    s.flush()


def count(s: Session, vm_id: int) -> None:
    """Count a change of a VM's own filters, so that its host takes no older ones after them."""
    mine = update(VmFilter).where(VmFilter.vm_id == vm_id).values(base=VmFilter.base + 1)
    s.execute(mine.execution_options(synchronize_session=False))


def addresses_change(s: Session, vm_id: int) -> list[int]:
    """Count a change of the groups that let a VM in by one of its own; return the VMs that are to hear of it."""
    mine = [group.id for group in of_vm(s, vm_id)]
    touch(s, mine)
    letting = naming(s, mine)
    want_again(s, letting)
    return members(s, letting)


def leave(s: Session, vm_id: int) -> None:
    """Take a VM that is gone out of all groups; who names them has counted that change when it began to go."""
    s.execute(delete(SecurityMember).where(SecurityMember.vm_id == vm_id))


def note_applied(s: Session, vm_ids: Collection[int], host_id: int, version: int) -> None:
    """Write down what a host said that it has in force for VMs, unless more is known."""
    mine = update(VmFilter).where(VmFilter.vm_id.in_(sorted(vm_ids)))
    news = mine.where(or_(VmFilter.host_id.is_distinct_from(host_id), VmFilter.applied < version))
    s.execute(news.values(host_id=host_id, applied=version).execution_options(synchronize_session=False))


def forget_rules(s: Session, group_id: int, now_s: float) -> None:
    """Remove the rules of a group that is gone."""
    for rule in s.scalars(select(SecurityRule).where(SecurityRule.group_id == group_id, live(SecurityRule))):
        rule.removed_s = now_s
    s.flush()


def in_use(s: Session, group_id: int) -> str:
    """Return why a group cannot be deleted, empty when it can."""
    vm = select(Vm.name).join(SecurityMember, SecurityMember.vm_id == Vm.id)
    name = s.scalars(vm.where(SecurityMember.group_id == group_id).order_by(Vm.id)).first()
    if name is not None:
        return f"VM {name} is in it"
    stmt = select(SecurityRule.uuid).where(SecurityRule.other_id == group_id, live(SecurityRule))
    rule = s.scalars(stmt.where(SecurityRule.group_id != group_id).order_by(SecurityRule.id)).first()
    return f"rule {rule} of another group names it" if rule is not None else ""
