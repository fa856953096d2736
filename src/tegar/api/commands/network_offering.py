"""Network offerings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, not_, or_, select

from tegar.api.commands.base import List
from tegar.api.views.network_offering import NetworkOfferingView, network_offerings
from tegar.kernel.command import param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.offerings import NetworkOffering
from tegar.store.zones import Zone


def _has(service: str) -> ColumnElement[bool]:
    kept = NetworkOffering.services
    return or_(
        kept.startswith(f"{service}=", autoescape=True), kept.contains(f",{service}=", autoescape=True)
    )


class ListNetworkOfferings(List):
    """List network offerings; every domain and zone has them all."""

    name = "listNetworkOfferings"
    response = NetworkOfferingView
    view = staticmethod(network_offerings)

    id: NetworkOffering | None = param("the offering", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    display_text: str | None = param("its exact description", default=None)
    state: str | None = param("Enabled or Disabled", default=None)
    availability: str | None = param("Optional or Required", default=None)
    guest_ip_type: str | None = param("Isolated, Shared or L2", default=None)
    traffic_type: str | None = param("Guest", default=None)
    for_vpc: bool | None = param("whether for tiers of VPCs", default=None)
    is_default: bool | None = param("whether it is a stock offering", default=None)
    specify_vlan: bool | None = param("whether the VLAN is chosen by the caller", default=None)
    specify_ip_ranges: bool | None = param("whether ranges are given by the operator", default=None)
    source_nat_supported: bool | None = param("whether it has source NAT", default=None)
    supported_services: list[str] | None = param("those with all of these services", default=None)
    tags: str | None = param("those with this tag, of which there are none", default=None)
    is_tagged: bool | None = param("whether it has a tag; none has", default=None)
    zone_id: Zone | None = param("those of a zone, which are all", default=None)
    domain_id: Domain | None = param("those of a domain, which are all", default=None)

    def run(self, ctx: Ctx) -> Page[NetworkOffering]:
        o = NetworkOffering
        stmt = select(o).where(live(o), access.visible(ctx, o)).order_by(o.id)
        equal: list[tuple[Any, Any]] = [
            (o.id, self.id.id if self.id else None),
            (o.name, self.name_ or None),
            (o.display_text, self.display_text or None),
            (o.state, self.state and self.state.capitalize()),
            (o.availability, self.availability and self.availability.capitalize()),
            (o.for_vpc, self.for_vpc),
            (o.is_default, self.is_default),
            (o.specify_vlan, self.specify_vlan),
            (o.specify_ip_ranges, self.specify_ip_ranges),
        ]
        for column, wanted in equal:
            if wanted is not None and wanted != "":
                stmt = stmt.where(column == wanted)
        if self.guest_ip_type:
            stmt = stmt.where(func.lower(o.guest_type) == self.guest_ip_type.lower())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, o.name, o.display_text))
        return self.fetch(ctx, self._services(stmt))

    def _services(self, stmt: Select[Any]) -> Select[Any]:
        if self.tags or self.is_tagged or (self.traffic_type or "guest").lower() != "guest":
            stmt = stmt.where(false())
        if self.source_nat_supported is not None:
            nat = _has("SourceNat")
            stmt = stmt.where(nat if self.source_nat_supported else not_(nat))
        return stmt.where(*(_has(service) for service in self.supported_services or ()))


COMMANDS = (ListNetworkOfferings,)
