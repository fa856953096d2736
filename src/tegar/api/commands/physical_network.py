"""Physical networks."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.physical_network import (
    PhysicalNetworkView,
    TrafficTypeView,
    physical_networks,
    traffic_types,
)
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.network import Traffic
from tegar.ops import access, traffic_type
from tegar.ops import physical_network as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import PhysicalNetwork, TrafficType, Zone

STATES = ("Enabled", "Disabled")


class CreatePhysicalNetwork(Command):
    """Create a physical network, disabled, with its network service providers."""

    name = "createPhysicalNetwork"
    roles = ADMIN
    is_async = True
    response = PhysicalNetworkView
    entity = PhysicalNetwork
    view = staticmethod(physical_networks)

    name_: str = param("its name, unique in the zone", wire="name", max_length=100)
    zone_id: Zone = param("the zone")
    vlan: str | None = param("VLANs for guest networks, such as 100-200", default=None)
    isolation_methods: list[str] | None = param("VLAN, VXLAN or L3", default=None)
    broadcast_domain_range: str = param("ZONE or POD", default="ZONE", choices=("ZONE", "POD"))
    network_speed: str | None = param("speed of its wires, such as 1G", default=None, max_length=20)
    tags: list[str] | None = param("tags, for network offerings to name", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        isolation = ops.isolation(self.isolation_methods or [])
        made = PhysicalNetwork(
            zone_id=self.zone_id.id,
            name=self.name_,
            vlan=ops.ranges(isolation, self.vlan),
            isolation=isolation,
            broadcast_range=self.broadcast_domain_range,
            speed=self.network_speed,
            tags=",".join(self.tags) if self.tags else None,
        )
        return ops.create(ctx, made)


class ListPhysicalNetworks(List):
    """List physical networks."""

    name = "listPhysicalNetworks"
    roles = ADMIN
    response = PhysicalNetworkView
    view = staticmethod(physical_networks)

    id: PhysicalNetwork | None = param("the physical network", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("of this zone", default=None)

    def run(self, ctx: Ctx) -> Page[PhysicalNetwork]:
        row = PhysicalNetwork
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.name, self.name_), (row.zone_id, self.zone_id))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class UpdatePhysicalNetwork(Command):
    """Change a physical network, or enable it."""

    name = "updatePhysicalNetwork"
    roles = ADMIN
    is_async = True
    response = PhysicalNetworkView
    entity = PhysicalNetwork
    view = staticmethod(physical_networks)

    id: PhysicalNetwork = param("the physical network")
    state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    vlan: str | None = param("VLANs for guest networks, such as 100-200", default=None)
    network_speed: str | None = param("speed of its wires, such as 1G", default=None, max_length=20)
    tags: list[str] | None = param("tags, for network offerings to name", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        row = self.id
        row.state = self.state or row.state
        if self.vlan is not None:
            ops.give_ranges(ctx, row, self.vlan)
        if self.network_speed is not None:
            row.speed = self.network_speed or None
        if self.tags is not None:
            row.tags = ",".join(self.tags) or None
        return ops.changed(ctx, row)


class AddTrafficType(Command):
    """Let a physical network carry a kind of traffic."""

    name = "addTrafficType"
    roles = ADMIN
    is_async = True
    response = TrafficTypeView
    entity = TrafficType
    view = staticmethod(traffic_types)

    physical_network_id: PhysicalNetwork = param("the physical network")
    traffic_type: str = param("Guest, Public, Management or Storage", choices=[t.value for t in Traffic])
    kvm_network_label: str | None = param("the bridge on KVM hosts; cloudbr1 by default", default=None)
    isolation_method: str | None = param(
        "that of the physical network", default=None, choices=("VLAN", "VXLAN")
    )

    def run(self, ctx: Ctx) -> SagaRow:
        label = self.kvm_network_label or "cloudbr1"
        return ops.carry(ctx, self.physical_network_id, Traffic(self.traffic_type), label)


class UpdateTrafficType(Command):
    """Let another bridge of the hosts carry a kind of traffic."""

    name = "updateTrafficType"
    roles = ADMIN
    is_async = True
    response = TrafficTypeView
    entity = TrafficType
    view = staticmethod(traffic_types)

    id: TrafficType = param("the kind of traffic on its physical network")
    kvm_network_label: str | None = param("the bridge on KVM hosts", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return traffic_type.relabel(ctx, self.id, self.kvm_network_label or self.id.kvm_label)


class DeleteTrafficType(Command):
    """Let a physical network carry a kind of traffic no more."""

    name = "deleteTrafficType"
    roles = ADMIN
    is_async = True

    id: TrafficType = param("the kind of traffic on its physical network")

    def run(self, ctx: Ctx) -> SagaRow:
        return traffic_type.delete(ctx, self.id)


class ListTrafficTypes(List):
    """List what a physical network carries."""

    name = "listTrafficTypes"
    roles = ADMIN
    response = TrafficTypeView
    view = staticmethod(traffic_types)

    physical_network_id: PhysicalNetwork = param("the physical network")

    def run(self, ctx: Ctx) -> Page[TrafficType]:
        row = TrafficType
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = stmt.where(row.physical_network_id == self.physical_network_id.id)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.traffic, row.kvm_label))
        return self.fetch(ctx, stmt)


COMMANDS = (
    CreatePhysicalNetwork, ListPhysicalNetworks, UpdatePhysicalNetwork, AddTrafficType, ListTrafficTypes,
    UpdateTrafficType, DeleteTrafficType,
)  # fmt: skip
