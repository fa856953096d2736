"""Offerings: what a VM, a disk or a network of that kind gets."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tegar.kernel.db import Row


class ServiceOffering(Row):
    """CPU and memory of a VM.  Custom offerings have none; the caller says."""

    __tablename__ = "service_offering"

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    cpus: Mapped[int | None]
    cpu_mhz: Mapped[int | None]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    min_cpus: Mapped[int | None]
    max_cpus: Mapped[int | None]
    min_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    custom: Mapped[bool] = mapped_column(default=False)
    ha: Mapped[bool] = mapped_column(default=False)
    limit_cpu: Mapped[bool] = mapped_column(default=False)
    root_disk_bytes: Mapped[int | None] = mapped_column(BigInteger)
    storage_type: Mapped[str] = mapped_column(String(20), default="shared")
    storage_tags: Mapped[str] = mapped_column(String(255), default="")
    host_tags: Mapped[str] = mapped_column(String(255), default="")
    domain_ids: Mapped[str] = mapped_column(String(255), default="")
    zone_ids: Mapped[str] = mapped_column(String(255), default="")


class DiskOffering(Row):
    """A kind of data disk; ``size_bytes`` None means that the caller says how large."""

    __tablename__ = "disk_offering"

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    custom: Mapped[bool] = mapped_column(default=False)
    storage_type: Mapped[str] = mapped_column(String(20), default="shared")
    tags: Mapped[str] = mapped_column(String(255), default="")


class NetworkOffering(Row):
    """A kind of network: its services as ``Dhcp=VirtualRouter,Dns=VirtualRouter``.

    Attributes:
        redundant: its networks have a pair of routers.
        persistent: its networks keep segment and routers also while no VM runs.
        egress_allowed: what guests may do before there is an egress rule.
        internal_lb: balancers are inside tiers (of VPCs), not on public addresses.
        details: JSON: capabilities and whatever else was said at its creation.
        tags: of the physical network that carries its networks.
        domain_ids: who may use it, as ``,3,7,``; empty: everybody.  ``zone_ids`` likewise.
    """

    __tablename__ = "network_offering"

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    guest_type: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="Enabled")
    services: Mapped[str] = mapped_column(String(1024))
    specify_vlan: Mapped[bool] = mapped_column(default=False)
    specify_ip_ranges: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    for_vpc: Mapped[bool] = mapped_column(default=False)
    conserve_mode: Mapped[bool] = mapped_column(default=True)
    availability: Mapped[str] = mapped_column(String(20), default="Optional")
    redundant: Mapped[bool] = mapped_column(default=False)
    persistent: Mapped[bool] = mapped_column(default=False)
    egress_allowed: Mapped[bool] = mapped_column(default=True)
    internal_lb: Mapped[bool] = mapped_column(default=False)
    details: Mapped[str] = mapped_column(Text, default="{}")
    tags: Mapped[str] = mapped_column(String(255), default="")
    domain_ids: Mapped[str] = mapped_column(String(255), default="")
    zone_ids: Mapped[str] = mapped_column(String(255), default="")

    def offers(self, service: str) -> bool:
        """Return whether its networks have a service."""
        return service in {part.partition("=")[0] for part in self.services.split(",")}
