"""Zones, pods, clusters and what is laid between them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tegar.kernel.db import Row
from tegar.model.network import Traffic


class Zone(Row):
    """A data center."""

    __tablename__ = "zone"

    name: Mapped[str] = mapped_column(String(100), index=True)
    network_type: Mapped[str] = mapped_column(String(20))
    dns1: Mapped[str] = mapped_column(String(64))
    dns2: Mapped[str | None] = mapped_column(String(64))
    internal_dns1: Mapped[str] = mapped_column(String(64))
    internal_dns2: Mapped[str | None] = mapped_column(String(64))
    guest_cidr: Mapped[str | None] = mapped_column(String(64))
    network_domain: Mapped[str | None]
    allocation: Mapped[str] = mapped_column(String(20), default="Disabled")
    local_storage: Mapped[bool] = mapped_column(default=False)
    security_groups: Mapped[bool] = mapped_column(default=False)
    ha_enabled: Mapped[bool] = mapped_column(default=True)
    bmc_enabled: Mapped[bool] = mapped_column(default=True)


class Pod(Row):
    """A rack: hosts on one management subnet."""

    __tablename__ = "pod"

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    gateway: Mapped[str] = mapped_column(String(64))
    netmask: Mapped[str] = mapped_column(String(64))
    start_ip: Mapped[str | None] = mapped_column(String(64))
    end_ip: Mapped[str | None] = mapped_column(String(64))
    allocation: Mapped[str] = mapped_column(String(20), default="Enabled")


class Cluster(Row):
    """Hosts of one hypervisor that share primary storage."""

    __tablename__ = "cluster"

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    pod_id: Mapped[int] = mapped_column(ForeignKey("pod.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    hypervisor: Mapped[str] = mapped_column(String(20))
    cluster_type: Mapped[str] = mapped_column(String(20), default="CloudManaged")
    allocation: Mapped[str] = mapped_column(String(20), default="Enabled")
    ha_enabled: Mapped[bool] = mapped_column(default=True)
    bmc_enabled: Mapped[bool] = mapped_column(default=True)


class PhysicalNetwork(Row):
    """Wires: carries traffic types to bridges of the hosts."""

    __tablename__ = "physical_network"

    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), default="Disabled")
    vlan: Mapped[str | None]
    isolation: Mapped[str] = mapped_column(String(100), default="VLAN")
    speed: Mapped[str | None] = mapped_column(String(20))
    tags: Mapped[str | None]
    broadcast_range: Mapped[str] = mapped_column(String(20), default="ZONE")


class TrafficType(Row):
    """One kind of traffic on a physical network and the bridge that carries it on KVM hosts."""

    __tablename__ = "traffic_type"
    __table_args__ = (Index("ix_traffic", "physical_network_id", "traffic"), Row.__table_args__)

    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"))
    traffic: Mapped[Traffic] = mapped_column()
    kvm_label: Mapped[str] = mapped_column(String(15), default="cloudbr1")


class Provider(Row):
    """A provider of network services on a physical network."""

    __tablename__ = "network_provider"

    physical_network_id: Mapped[int] = mapped_column(ForeignKey("physical_network.id"), index=True)
    name: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), default="Disabled")


class RouterElement(Row):
    """Whether the virtual router of a provider may be used."""

    __tablename__ = "router_element"

    provider_id: Mapped[int] = mapped_column(ForeignKey("network_provider.id"), index=True)
    enabled: Mapped[bool] = mapped_column(default=False)
