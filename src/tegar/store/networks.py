"""Networks, their address ranges and NICs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.kernel.errors import Stale
from tegar.kernel.lease import changed
from tegar.model.errors import OutOfAddresses
from tegar.model.network import NETWORK, NicState, State


class Network(Row):
    """A guest network.

    Attributes:
        group_id: the routers that serve it; an L2 network has none.
        vlan: the id of its segment, ``untagged``, or empty while it has none.
        broadcast: how the segment is cut: ``Vlan`` or ``Vxlan``.
        specified_vlan: an operator chose the segment, so it is never given back.
        restart_required: the routers do not do all that the network should have.
        idle_since_s: when it was last seen without a running VM.
    """

    __tablename__ = "network"
    __table_args__ = (
        Index("ix_network_account", "account_id"),
        Index("ix_network_zone", "zone_id"),
        Index("ix_network_group", "group_id"),
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
    group_id: Mapped[int | None] = mapped_column(ForeignKey("router_group.id"))
    vpc_id: Mapped[int | None] = mapped_column(BIG, index=True)
    acl_list_id: Mapped[int | None] = mapped_column(BIG, index=True)
    vlan: Mapped[str] = mapped_column(String(30))
    broadcast: Mapped[str] = mapped_column(String(10), default="Vlan")
    specified_vlan: Mapped[bool] = mapped_column(default=True)
    bridge: Mapped[str] = mapped_column(String(15))
    gateway: Mapped[str] = mapped_column(String(64))
    netmask: Mapped[str] = mapped_column(String(64))
    cidr: Mapped[str] = mapped_column(String(64))
    network_domain: Mapped[str]
    dns1: Mapped[str | None] = mapped_column(String(64))
    dns2: Mapped[str | None] = mapped_column(String(64))
    restart_required: Mapped[bool] = mapped_column(default=False)
    idle_since_s: Mapped[float | None]


class VlanRange(Row):
    """A range of addresses that an operator gave, of a network (guest) or of the zone (public).

    A public one may be dedicated: to an account, or (without ``account_id``) to all of a domain.
    """

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
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int | None] = mapped_column(ForeignKey("domain.id"), index=True)


class GuestAddress(Base):
    """One address of a guest network; ``nic_id`` says who has it (a router's counts as a NIC).

    Where an operator gave ranges there is a row for each of their addresses.  Elsewhere, all of the network's CIDR
    can be had, and there are rows (of range 0) only for those that are taken.
    """

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
    """A VM's interface, or a router's (``router_id``)."""

    __tablename__ = "nic"
    __table_args__ = (Index("ix_nic_network", "network_id", "removed_s"), Row.__table_args__)

    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"), index=True)
    router_id: Mapped[int | None] = mapped_column(BIG, index=True)
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"))
    mac: Mapped[str] = mapped_column(String(17), index=True)
    ip: Mapped[str] = mapped_column(String(64))
    device_id: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=True)
    state: Mapped[NicState] = mapped_column(default=NicState.ACTIVE)


def take_address(s: Session, network_id: int, nic_id: int, want_ip: str = "") -> str | None:
    """Give a NIC a free address of the network (that one, if named); None when there is none.

    Others take addresses at the same moment, and each take is one conditional update.  NICs that
    come together have numbers in a row and so begin to look at different places.

    Raises:
        Stale: others were faster each time.
    """
    network = s.get_one(Network, network_id)
    if network.guest_type == "Isolated":
        return _take_of_cidr(s, network, nic_id, want_ip)
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


def _take_of_cidr(s: Session, network: Network, nic_id: int, want_ip: str) -> str | None:
    """Give a NIC an address of the CIDR: the lowest that nobody has, not the gateway's unless it is named.

    Who takes one at the same moment has counted a change of the same routers first, and so comes after us.
    """
    taken = set(s.scalars(select(GuestAddress.ip).where(GuestAddress.network_id == network.id)))
    within = IPv4Network(network.cidr)
    if want_ip:
        ends = (str(within.network_address), str(within.broadcast_address))
        fits = IPv4Address(want_ip) in within and want_ip not in taken and want_ip not in ends
        ip = want_ip if fits else None
    else:
        ip = next((a for a in _open_to_guests(s, network) if a not in taken and a != network.gateway), None)
    if ip is not None:
        s.add(GuestAddress(network_id=network.id, range_id=0, ip=ip, nic_id=nic_id))
        s.flush()
    return ip


def _open_to_guests(s: Session, network: Network) -> Iterator[str]:
    """Give the addresses of a CIDR, or of the ranges in it that its owner named for guests."""
    ranges = s.scalars(select(VlanRange).where(VlanRange.network_id == network.id, live(VlanRange))).all()
    if not ranges:
        yield from (str(a) for a in IPv4Network(network.cidr).hosts())
    for one in ranges:
        numbers = range(int(IPv4Address(one.start_ip)), int(IPv4Address(one.end_ip)) + 1)
        yield from (str(IPv4Address(n)) for n in numbers)


def readdress(s: Session, network: Network, nic: Nic, want_ip: str) -> None:
    """Give a NIC that address in place of those that it has.

    Raises:
        OutOfAddresses: somebody else has it.
    """
    free_address(s, nic.id)
    ip = take_address(s, network.id, nic.id, want_ip)
    if ip is None:
        raise OutOfAddresses(network.name)
    nic.ip = ip
    s.flush()


def free_address(s: Session, nic_id: int, ip: str = "") -> None:
    """Give a NIC's addresses back, or that one of them."""
    here = [GuestAddress.nic_id == nic_id, *([GuestAddress.ip == ip] if ip else [])]
    s.execute(delete(GuestAddress).where(*here, GuestAddress.range_id == 0))
    s.execute(update(GuestAddress).where(*here).values(nic_id=None))


def nics_of(s: Session, vm_id: int) -> Sequence[Nic]:
    """Return a VM's NICs in their order."""
    return s.scalars(select(Nic).where(Nic.vm_id == vm_id, live(Nic)).order_by(Nic.device_id)).all()


def of_vm(s: Session, vm_id: int) -> Sequence[Network]:
    """Return the networks of a VM's NICs in their order."""
    stmt = select(Network).join(Nic, Nic.network_id == Network.id).where(Nic.vm_id == vm_id, live(Nic))
    return s.scalars(stmt.order_by(Nic.device_id)).all()


def groups_of(s: Session, network_ids: Sequence[int]) -> list[int]:
    """Return the groups of routers that serve networks, each once."""
    stmt = select(Network.group_id).where(Network.id.in_(network_ids), Network.group_id.is_not(None))
    return list(dict.fromkeys(group_id for group_id in s.scalars(stmt) if group_id is not None))


def mac_of(nic_id: int) -> str:
    """Return the MAC of a NIC: locally administered, the NIC's number in the last four bytes."""
    raw = (0x1E00 << 32 | nic_id & 0xFFFFFFFF).to_bytes(6, "big")
    return ":".join(f"{b:02x}" for b in raw)
