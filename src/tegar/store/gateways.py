"""Private gateways of VPCs, and static routes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.rule import RuleState


class PrivateGateway(Row):
    """A VPC's way into an operator's VLAN: the routers have ``ip`` there, and ``gateway`` is the next router.

    ``source_nat``: guests appear there with ``ip``, else with their own addresses.
    """

    __tablename__ = "private_gateway"

    vpc_id: Mapped[int] = mapped_column(ForeignKey("vpc.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    bridge: Mapped[str] = mapped_column(String(15))
    vlan: Mapped[str] = mapped_column(String(30))
    ip: Mapped[str] = mapped_column(String(64))
    gateway: Mapped[str] = mapped_column(String(64))
    netmask: Mapped[str] = mapped_column(String(64))
    source_nat: Mapped[bool] = mapped_column(default=False)
    acl_list_id: Mapped[int | None] = mapped_column(ForeignKey("network_acl_list.id"), index=True)


class StaticRoute(Row):
    """A destination that a VPC's routers reach by a private gateway, or by an address in a tier."""

    __tablename__ = "static_route"

    vpc_id: Mapped[int] = mapped_column(ForeignKey("vpc.id"), index=True)
    gateway_id: Mapped[int | None] = mapped_column(ForeignKey("private_gateway.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    cidr: Mapped[str] = mapped_column(String(64))
    next_hop: Mapped[str] = mapped_column(String(64))


def of_vpc(s: Session, vpc_id: int) -> Sequence[PrivateGateway]:
    """Return the private gateways of a VPC that are in force or coming, oldest first."""
    stmt = select(PrivateGateway).where(PrivateGateway.vpc_id == vpc_id, live(PrivateGateway))
    return s.scalars(stmt.where(PrivateGateway.state != RuleState.REVOKE).order_by(PrivateGateway.id)).all()


def routes(s: Session, vpc_id: int) -> Sequence[StaticRoute]:
    """Return the static routes of a VPC that are in force or coming, oldest first."""
    stmt = select(StaticRoute).where(StaticRoute.vpc_id == vpc_id, live(StaticRoute))
    return s.scalars(stmt.where(StaticRoute.state != RuleState.REVOKE).order_by(StaticRoute.id)).all()
