"""Load balancers inside of tiers: an instance for each address, its rules, and the VMs behind them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.rule import RuleState
from tegar.store import networks
from tegar.store.networks import Nic


class InternalLb(Row):
    """An address of a tier at which the VPC's routers balance; there while a rule is at it.

    ``nic_id`` keeps the address taken: a NIC of no VM and no router.  ``stopped``: its rules are not served.
    """

    __tablename__ = "internal_lb"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id"))
    ip: Mapped[str] = mapped_column(String(64))
    stopped: Mapped[bool] = mapped_column(default=False)


class InternalBalancer(Row):
    """A rule: a port of an instance, and the port of the VMs behind it."""

    __tablename__ = "internal_balancer"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    lb_id: Mapped[int] = mapped_column(ForeignKey("internal_lb.id"), index=True)
    name: Mapped[str]
    description: Mapped[str | None] = mapped_column(String(1024))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    port: Mapped[int]
    instance_port: Mapped[int]
    algorithm: Mapped[str] = mapped_column(String(20))
    shown: Mapped[bool] = mapped_column(default=True)


class InternalMember(Row):
    """A VM's NIC behind a rule."""

    __tablename__ = "internal_member"

    balancer_id: Mapped[int] = mapped_column(ForeignKey("internal_balancer.id"), index=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), index=True)
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id"))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)


def rules(s: Session, network_ids: Sequence[int]) -> Sequence[InternalBalancer]:
    """Return the rules in tiers that are in force or coming, oldest first."""
    row = InternalBalancer
    stmt = select(row).where(row.network_id.in_(network_ids), row.state != RuleState.REVOKE, live(row))
    return s.scalars(stmt.order_by(row.id)).all()


def members(s: Session, balancer_id: int) -> Sequence[InternalMember]:
    """Return who is behind a rule or will be, oldest first."""
    row = InternalMember
    stmt = select(row).where(row.balancer_id == balancer_id, row.state != RuleState.REVOKE, live(row))
    return s.scalars(stmt.order_by(row.id)).all()


def forget(s: Session, rule: InternalBalancer, now_s: float) -> None:
    """After a rule is gone: its members are too, and with its last rule an instance gives its address back."""
    mine = select(InternalMember).where(InternalMember.balancer_id == rule.id, live(InternalMember))
    for member in s.scalars(mine):
        member.removed_s = now_s
    rest = select(InternalBalancer.id).where(
        InternalBalancer.lb_id == rule.lb_id, InternalBalancer.id != rule.id, live(InternalBalancer)
    )
    if s.scalars(rest).first():
        return
    lb = s.get_one(InternalLb, rule.lb_id)
    lb.removed_s = now_s
    s.get_one(Nic, lb.nic_id).removed_s = now_s
    networks.free_address(s, lb.nic_id)
