"""Virtual private clouds: their offerings, and the networks (tiers) that one group of routers joins."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.vpc import VPC, State
from tegar.store.networks import Network


class VpcOffering(Row):
    """A kind of VPC: its services as ``Dhcp=VpcVirtualRouter,Lb=InternalLbVm``.

    Attributes:
        redundant: its VPCs have a pair of routers.
    """

    __tablename__ = "vpc_offering"

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    state: Mapped[str] = mapped_column(String(20), default="Enabled")
    services: Mapped[str] = mapped_column(String(1024))
    redundant: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    sort_key: Mapped[int] = mapped_column(default=0)


class Vpc(Row):
    """A private cloud of an account: tiers inside of one CIDR that share a group of routers.

    The routers exist while a tier is implemented.  Their rows stay as long as the VPC, so that it keeps its routers'
    names and addresses from one tier to the next.
    """

    __tablename__ = "vpc"
    machine = VPC

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    offering_id: Mapped[int] = mapped_column(ForeignKey("vpc_offering.id"))
    group_id: Mapped[int] = mapped_column(ForeignKey("router_group.id"), index=True)
    state: Mapped[State] = mapped_column(default=State.ENABLED)
    cidr: Mapped[str] = mapped_column(String(64))
    network_domain: Mapped[str]
    dns1: Mapped[str | None] = mapped_column(String(64))
    dns2: Mapped[str | None] = mapped_column(String(64))
    shown: Mapped[bool] = mapped_column(default=True)


def tiers(s: Session, vpc_id: int) -> Sequence[Network]:
    """Return the tiers of a VPC, oldest first; those that are being deleted too."""
    stmt = select(Network).where(Network.vpc_id == vpc_id, live(Network)).order_by(Network.id)
    return s.scalars(stmt).all()


def of_group(s: Session, group_id: int) -> Vpc | None:
    """Return the VPC that a group of routers serves, None when it serves a network of its own."""
    return s.scalars(select(Vpc).where(Vpc.group_id == group_id, live(Vpc))).one_or_none()
