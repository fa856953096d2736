"""Networks, their address ranges, NICs and routers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.kernel.errors import Stale
from tegar.kernel.lease import changed
from tegar.model.network import NETWORK, State


class Network(Row):
    """A guest network.

    ``desired`` counts the changes of what its router should do; a router that runs version n
    has obeyed all changes up to n.
    """

    __tablename__ = "network"
    __table_args__ = (
        Index("ix_network_account", "account_id"),
        Index("ix_network_zone", "zone_id"),
        Row.__table_args__,
    )
    machine = NETWORK

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    offering_id: Mapped[int] = mapped_column(ForeignKey("network_offering.id"))
    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"))
    guest_type: Mapped[str] = mapped_column(String(20))
    acl_type: Mapped[str] = mapped_column(String(20))
    subdomain_access: Mapped[bool] = mapped_column(default=True)
    state: Mapped[State] = mapped_column(default=State.SETUP)
    vlan: Mapped[str] = mapped_column(String(30))
    bridge: Mapped[str] = mapped_column(String(15))
    gateway: Mapped[str] = mapped_column(String(64))
    netmask: Mapped[str] = mapped_column(String(64))
    cidr: Mapped[str] = mapped_column(String(64))
    network_domain: Mapped[str]
    dns1: Mapped[str | None] = mapped_column(String(64))
    dns2: Mapped[str | None] = mapped_column(String(64))


class Desired(Base):
    """The version of what a network's router should do; counted apart, for every NIC changes it."""

    __tablename__ = "network_desired"

    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(default=0)


class VlanRange(Row):
    """A range of addresses that an operator gave, of a network (guest) or of the zone (public)."""

    __tablename__ = "vlan_range"

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    physical_network_id: Mapped[int | None] = mapped_column(ForeignKey("physical_network.id"))
    network_id: Mapped[int | None] = mapped_column(ForeignKey("network.id"), index=True)
    for_virtual_network: Mapped[bool] = mapped_column(default=False)
    vlan: Mapped[str] = mapped_column(String(30))
    gateway: Mapped[str] = mapped_column(String(64))
    netmask: Mapped[str] = mapped_column(String(64))
    start_ip: Mapped[str] = mapped_column(String(64))
    end_ip: Mapped[str] = mapped_column(String(64))


class GuestAddress(Base):
    """One address of a range; ``nic_id`` says who has it (a router's counts as a NIC)."""

    __tablename__ = "guest_address"
    __table_args__ = (
        UniqueConstraint("network_id", "ip"),
        Index("ix_guest_address_free", "network_id", "nic_id", "id"),
        Base.__table_args__,
    )

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    network_id: Mapped[int] = mapped_column(BIG)
    range_id: Mapped[int] = mapped_column(BIG, index=True)
    ip: Mapped[str] = mapped_column(String(64))
    nic_id: Mapped[int | None] = mapped_column(BIG, index=True)


class Nic(Row):
    """A VM's interface, or a router's (``vm_id`` None)."""

    __tablename__ = "nic"
    __table_args__ = (Index("ix_nic_network", "network_id", "removed_s"), Row.__table_args__)

    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"), index=True)
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"))
    mac: Mapped[str] = mapped_column(String(17), index=True)
    ip: Mapped[str] = mapped_column(String(64))
    device_id: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=True)


class Router(Row):
    """The virtual router of a network.  ``applied`` is the desired version that it runs."""

    __tablename__ = "router"
    __table_args__ = (UniqueConstraint("network_id"), Row.__table_args__)

    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"))
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id"))
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id"), index=True)
    applied: Mapped[int] = mapped_column(default=0)


def want_again(s: Session, network_id: int) -> int:
    """Count a change of the network's desired state; return its version."""
    s.execute(update(Desired).where(Desired.network_id == network_id).values(version=Desired.version + 1))
    version = s.scalar(select(Desired.version).where(Desired.network_id == network_id))
    return version or 0


def take_address(s: Session, network_id: int, nic_id: int, want_ip: str = "") -> str | None:
    """Give a NIC a free address of the network (that one, if named); None when there is none.

    Others take addresses at the same moment, and each take is one conditional update.  NICs that
    come together have numbers in a row and so begin to look at different places.

    Raises:
        Stale: others were faster each time.
    """
    free = select(GuestAddress).where(GuestAddress.network_id == network_id, GuestAddress.nic_id.is_(None))
    if want_ip:
        free = free.where(GuestAddress.ip == want_ip)
    for n in range(64):
        offset = (nic_id + n) % 16 if n < 16 and not want_ip else 0
        row = s.scalars(free.order_by(GuestAddress.id).offset(offset).limit(1)).first()
        if row is None and offset == 0:
            return None
        if row is None:
            continue
        mine = update(GuestAddress).where(GuestAddress.id == row.id, GuestAddress.nic_id.is_(None))
        if changed(s, mine.values(nic_id=nic_id).execution_options(synchronize_session=False)) == 1:
            return row.ip
        s.expire(row)
    raise Stale("network's free addresses")


def free_address(s: Session, nic_id: int) -> None:
    """Give a NIC's addresses back."""
    s.execute(update(GuestAddress).where(GuestAddress.nic_id == nic_id).values(nic_id=None))


def nics_of(s: Session, vm_id: int) -> Sequence[Nic]:
    """Return a VM's NICs in their order."""
    return s.scalars(select(Nic).where(Nic.vm_id == vm_id, live(Nic)).order_by(Nic.device_id)).all()
