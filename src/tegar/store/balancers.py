"""Load balancers: an address and a port, the VMs behind, how clients stick and how members are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ForeignKey, Index, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Row, live
from tegar.model.rule import RuleState

P = TypeVar("P", bound=Row)


class LoadBalancer(Row):
    """One rule of load balancing.

    Attributes:
        algorithm: ``roundrobin``, ``leastconn`` or ``source``.
        protocol: ``tcp``, ``udp``, ``tcp-proxy`` or ``ssl``, which needs a certificate.
        cidrs: sources, as ``10.0.0.0/8,192.168.0.0/16``; empty: anywhere.
        opening_id: the firewall rule that came with it and goes with it.
    """

    __tablename__ = "load_balancer"

    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(1024), default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("public_address.id"), index=True)
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    algorithm: Mapped[str] = mapped_column(String(20))
    protocol: Mapped[str] = mapped_column(String(20), default="tcp")
    public_port: Mapped[int]
    private_port: Mapped[int]
    cidrs: Mapped[str] = mapped_column(Text, default="")
    cert_id: Mapped[int | None] = mapped_column(BIG, index=True)
    opening_id: Mapped[int | None] = mapped_column(BIG)
    shown: Mapped[bool] = mapped_column(default=True)


class BalancerMember(Row):
    """A VM behind a load balancer: by one address of a NIC."""

    __tablename__ = "balancer_member"
    __table_args__ = (Index("ix_balancer_member", "balancer_id", "id"), Row.__table_args__)

    balancer_id: Mapped[int] = mapped_column(ForeignKey("load_balancer.id"))
    nic_id: Mapped[int] = mapped_column(BIG, index=True)
    guest_ip: Mapped[str] = mapped_column(String(64))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)


class StickinessPolicy(Row):
    """How a load balancer keeps a client at its member; ``params`` is JSON, a map of text to text."""

    __tablename__ = "stickiness_policy"

    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(1024), default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    balancer_id: Mapped[int] = mapped_column(ForeignKey("load_balancer.id"), index=True)
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    method: Mapped[str] = mapped_column(String(20))
    params: Mapped[str] = mapped_column(Text, default="{}")
    shown: Mapped[bool] = mapped_column(default=True)


class HealthPolicy(Row):
    """How a load balancer finds out whether a member serves; ``path`` empty: by connecting."""

    __tablename__ = "health_policy"

    description: Mapped[str] = mapped_column(String(1024), default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    balancer_id: Mapped[int] = mapped_column(ForeignKey("load_balancer.id"), index=True)
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    path: Mapped[str] = mapped_column(String(225), default="")
    interval_s: Mapped[int]
    timeout_s: Mapped[int]
    healthy: Mapped[int]
    unhealthy: Mapped[int]
    shown: Mapped[bool] = mapped_column(default=True)


def forget(s: Session, rule: LoadBalancer, now_s: float) -> None:
    """After a load balancer is gone: its members and policies are too."""
    for kind in (BalancerMember, StickinessPolicy, HealthPolicy):
        for part in s.scalars(select(kind).where(kind.balancer_id == rule.id, live(kind))):
            part.removed_s = now_s


def of_addresses(s: Session, address_ids: Sequence[int]) -> Sequence[LoadBalancer]:
    """Return the load balancers of addresses, oldest first; those that are being deleted too."""
    stmt = select(LoadBalancer).where(LoadBalancer.address_id.in_(address_ids), live(LoadBalancer))
    return s.scalars(stmt.order_by(LoadBalancer.id)).all()


def members(s: Session, balancer_ids: Sequence[int]) -> Sequence[BalancerMember]:
    """Return the members of load balancers, oldest first; those that are being removed too."""
    stmt = select(BalancerMember).where(BalancerMember.balancer_id.in_(balancer_ids), live(BalancerMember))
    return s.scalars(stmt.order_by(BalancerMember.id)).all()


def policies(s: Session, kind: type[P], balancer_ids: Sequence[int]) -> Sequence[P]:
    """Return the policies of a kind of load balancers, oldest first; those that are being deleted too."""
    stmt = select(kind).where(kind.balancer_id.in_(balancer_ids), live(kind))  # type: ignore[attr-defined]
    return s.scalars(stmt.order_by(kind.id)).all()
