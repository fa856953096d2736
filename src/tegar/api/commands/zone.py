"""Zones."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Success
from tegar.api.views.zone import ZoneView, zones
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops import zone as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import Zone

STATES = ("Enabled", "Disabled")


class CreateZone(Command):
    """Create a zone."""

    name = "createZone"
    roles = ADMIN
    response = ZoneView
    view = staticmethod(zones)

    name_: str = param("its name, unique in the cloud", wire="name")
    network_type: str = param("Advanced or Basic", choices=("Advanced", "Basic"))
    dns1: str = param("first name server of guests")
    dns2: str | None = param("second name server of guests", default=None)
    internal_dns1: str = param("first name server of the operator's machines")
    internal_dns2: str | None = param("second name server of the operator's machines", default=None)
    guest_cidr_address: str | None = param("network that guest networks are cut from", default=None)
    domain: str | None = param("DNS domain of guest networks", default=None)
    allocation_state: str = param("Enabled or Disabled", default="Disabled", choices=STATES)
    local_storage_enabled: bool = param("whether VMs may live on hosts' own disks", default=False)
    security_group_enabled: bool = param(
        "whether its shared networks can have security groups; fixed", default=False
    )

    def run(self, ctx: Ctx) -> Zone:
        zone = Zone(
            name=self.name_,
            network_type=self.network_type,
            dns1=ops.ip("dns1", self.dns1),
            dns2=ops.ip("dns2", self.dns2),
            internal_dns1=ops.ip("internaldns1", self.internal_dns1),
            internal_dns2=ops.ip("internaldns2", self.internal_dns2),
            guest_cidr=ops.cidr("guestcidraddress", self.guest_cidr_address),
            network_domain=self.domain,
            allocation=self.allocation_state,
            local_storage=self.local_storage_enabled,
            security_groups=self.security_group_enabled,
        )
        return ops.create(ctx, zone)


class ListZones(List):
    """List zones."""

    name = "listZones"
    response = ZoneView
    view = staticmethod(zones)

    id: Zone | None = param("the zone", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    network_type: str | None = param("Advanced or Basic", default=None)
    available: bool | None = param("true: only those where the caller can deploy", default=None)

    def run(self, ctx: Ctx) -> Page[Zone]:
        stmt = select(Zone).where(live(Zone), access.visible(ctx, Zone)).order_by(Zone.id)
        if self.id:
            stmt = stmt.where(Zone.id == self.id.id)
        if self.name_:
            stmt = stmt.where(Zone.name == self.name_)
        if self.network_type:
            stmt = stmt.where(Zone.network_type == self.network_type)
        if self.available:
            stmt = stmt.where(Zone.allocation == "Enabled")
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Zone.name))
        return self.fetch(ctx, stmt)


class UpdateZone(Command):
    """Change a zone."""

    name = "updateZone"
    roles = ADMIN
    response = ZoneView
    view = staticmethod(zones)

    id: Zone = param("the zone")
    name_: str | None = param("another name", default=None, wire="name")
    dns1: str | None = param("first name server of guests", default=None)
    dns2: str | None = param("second name server of guests", default=None)
    internal_dns1: str | None = param("first name server of the operator's machines", default=None)
    internal_dns2: str | None = param("second name server of the operator's machines", default=None)
    guest_cidr_address: str | None = param("network that guest networks are cut from", default=None)
    domain: str | None = param("DNS domain of guest networks", default=None)
    allocation_state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    local_storage_enabled: bool | None = param("whether VMs may live on hosts' own disks", default=None)

    def run(self, ctx: Ctx) -> Zone:
        zone = self.id
        if self.name_:
            ops.rename(ctx, zone, self.name_)
        zone.dns1 = ops.ip("dns1", self.dns1) or zone.dns1
        zone.internal_dns1 = ops.ip("internaldns1", self.internal_dns1) or zone.internal_dns1
        if self.dns2 is not None:
            zone.dns2 = ops.ip("dns2", self.dns2)
        if self.internal_dns2 is not None:
            zone.internal_dns2 = ops.ip("internaldns2", self.internal_dns2)
        if self.guest_cidr_address is not None:
            zone.guest_cidr = ops.cidr("guestcidraddress", self.guest_cidr_address)
        if self.domain is not None:
            zone.network_domain = self.domain or None
        zone.allocation = self.allocation_state or zone.allocation
        if self.local_storage_enabled is not None:
            zone.local_storage = self.local_storage_enabled
        ctx.note("ZONE.EDIT", f"Zone {zone.name} changed", zone)
        return zone


class DeleteZone(Command):
    """Delete an empty zone."""

    name = "deleteZone"
    roles = ADMIN

    id: Zone = param("the zone")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (CreateZone, ListZones, UpdateZone, DeleteZone)
