"""BMCs of hosts: how to reach them, and what they read last."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ForeignKey, Select, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.power import Power
from tegar.store.hosts import Host
from tegar.store.zones import Cluster, Zone


class Bmc(Row):
    """The BMC of a host.

    While its password is being changed there are two, and nobody knows which one it takes: both are
    tried.  ``told`` is the last order that must not be given twice, with how far it got; ``action``
    is the last one an operator gave.  ``power`` is only written when it changes.
    """

    __tablename__ = "bmc"

    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), unique=True)
    driver: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(255))
    trust: Mapped[str] = mapped_column(String(255), default="")
    port: Mapped[int]
    username: Mapped[str] = mapped_column(String(64))
    password_sealed: Mapped[str] = mapped_column(Text)
    pending_sealed: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=False)
    power: Mapped[Power] = mapped_column(default=Power.UNKNOWN)
    power_at_s: Mapped[float | None]
    told: Mapped[str] = mapped_column(String(50), default="")
    action: Mapped[str] = mapped_column(String(10), default="")


def of_host(s: Session, host_id: int) -> Bmc | None:
    """Return a host's BMC, if it is configured."""
    return s.scalars(select(Bmc).where(Bmc.host_id == host_id)).one_or_none()


def of_hosts(s: Session, host_ids: Collection[int]) -> dict[int, Bmc]:
    """Return the BMCs of hosts, by host id."""
    return {b.host_id: b for b in s.scalars(select(Bmc).where(Bmc.host_id.in_(host_ids)))}


def usable() -> Select[int]:
    """Return the ids of hosts whose BMC may be used: it is enabled, and so are those of its cluster and its zone."""
    return (
        select(Bmc.host_id)
        .join(Host, Host.id == Bmc.host_id)
        .join(Cluster, Cluster.id == Host.cluster_id)
        .join(Zone, Zone.id == Host.zone_id)
        .where(live(Host), Bmc.enabled.is_(True), Cluster.bmc_enabled.is_(True), Zone.bmc_enabled.is_(True))
    )


def usable_of(s: Session, host_id: int) -> Bmc | None:
    """Return a host's BMC if it may be used."""
    return s.scalars(select(Bmc).where(Bmc.host_id == host_id, Bmc.host_id.in_(usable()))).one_or_none()


def all_usable(s: Session) -> Sequence[Bmc]:
    """Return every BMC that may be used."""
    return s.scalars(select(Bmc).where(Bmc.host_id.in_(usable())).order_by(Bmc.id)).all()


def settle(s: Session, host_id: int) -> None:
    """Wait for those who decide about a host's BMC at this moment, and keep others out until this transaction ends."""
    s.execute(select(Bmc.id).where(Bmc.host_id == host_id).with_for_update()).all()


def forget(s: Session, host_id: int) -> None:
    """Forget a host's BMC and its secrets; one that is not there is forgotten already."""
    s.execute(delete(Bmc).where(Bmc.host_id == host_id))
