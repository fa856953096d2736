"""Network offerings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, not_, or_, select

from tegar.api.commands.base import List, Success
from tegar.api.views.network_offering import NetworkOfferingView, ServiceView, network_offerings, supported
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter, Refused
from tegar.kernel.page import Page, matches, paging
from tegar.model.service import SERVICES, Service
from tegar.ops import access
from tegar.ops import network_offering as ops
from tegar.ops.ctx import Ctx
from tegar.ops.service_offering import id_list
from tegar.store.accounts import Domain
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.zones import Zone

AVAILABILITY = ("Optional", "Required")


def _has(service: str) -> ColumnElement[bool]:
    kept = NetworkOffering.services
    return or_(
        kept.startswith(f"{service}=", autoescape=True), kept.contains(f",{service}=", autoescape=True)
    )


class ListNetworkOfferings(List):
    """List network offerings."""

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
    tags: str | None = param("those with this tag", default=None)
    is_tagged: bool | None = param("whether it has a tag", default=None)
    zone_id: Zone | None = param("those of this zone", default=None)
    domain_id: Domain | None = param("those of this domain", default=None)
    network_id: Network | None = param("those that this network can change to", default=None)

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
        o = NetworkOffering
        if self.tags:
            stmt = stmt.where(("," + o.tags + ",").contains(f",{self.tags},", autoescape=True))
        if self.is_tagged is not None:
            stmt = stmt.where(o.tags != "" if self.is_tagged else o.tags == "")
        if self.zone_id:
            stmt = stmt.where(or_(o.zone_ids == "", o.zone_ids.contains(f",{self.zone_id.id},")))
        if self.domain_id:
            stmt = stmt.where(or_(o.domain_ids == "", o.domain_ids.contains(f",{self.domain_id.id},")))
        if self.network_id:
            own = self.network_id
            like = select(o.for_vpc).where(o.id == own.offering_id).scalar_subquery()
            stmt = stmt.where(o.guest_type == own.guest_type, o.for_vpc == like, o.id != own.offering_id)
        if (self.traffic_type or "guest").lower() != "guest":
            stmt = stmt.where(false())
        if self.source_nat_supported is not None:
            nat = _has("SourceNat")
            stmt = stmt.where(nat if self.source_nat_supported else not_(nat))
        return stmt.where(*(_has(service) for service in self.supported_services or ()))


class CreateNetworkOffering(Command):
    """Create a network offering, disabled unless enable=true."""

    name = "createNetworkOffering"
    roles = ADMIN
    response = NetworkOfferingView
    view = staticmethod(network_offerings)

    name_: str = param("its name", wire="name")
    display_text: str | None = param("its description; by default the name", default=None, max_length=1024)
    guest_ip_type: str = param("Isolated, Shared or L2", choices=("Isolated", "Shared", "L2"))
    traffic_type: str = param("Guest", choices=("Guest",))
    supported_services: list[str] | None = param("its services", default=None)
    service_provider_list: list[dict[str, str]] | None = param(
        "who gives which: service, provider", default=None
    )
    service_capability_list: list[dict[str, str]] | None = param(
        "what is chosen of a service: service, capabilitytype, capabilityvalue", default=None
    )
    availability: str = param("Optional, or Required: the default", default="Optional", choices=AVAILABILITY)
    conserve_mode: bool = param("whether a public address serves many kinds of rules", default=True)
    egress_default_policy: bool = param("what guests may do before there is an egress rule", default=True)
    enable: bool = param("whether it can be used at once", default=False)
    for_vpc: bool = param("whether it is of tiers of VPCs", default=False)
    is_persistent: bool = param("whether its networks are up without a VM", default=False)
    specify_vlan: bool = param("whether an operator chooses the VLAN", default=False)
    specify_ip_ranges: bool = param("whether an operator gives ranges", default=False)
    tags: str | None = param("of the physical network that carries its networks", default=None)
    domain_id: list[Domain] | None = param("only for these domains and those below", default=None)
    zone_id: list[Zone] | None = param("only in these zones", default=None)
    internet_protocol: str = param("IPv4", default="IPv4", choices=("IPv4",))

    def run(self, ctx: Ctx) -> NetworkOffering:
        made = NetworkOffering(
            name=self.name_,
            display_text=self.display_text or self.name_,
            guest_type=self.guest_ip_type,
            state="Enabled" if self.enable else "Disabled",
            availability=self.availability,
            conserve_mode=self.conserve_mode,
            egress_allowed=self.egress_default_policy,
            for_vpc=self.for_vpc,
            persistent=self.is_persistent,
            specify_vlan=self.specify_vlan,
            specify_ip_ranges=self.specify_ip_ranges,
            tags=self.tags or "",
            domain_ids=id_list(self.domain_id or []),
            zone_ids=id_list(self.zone_id or []),
        )
        chosen = [
            ops.Capability(
                _named(e.get("service", "")), e.get("capabilitytype", ""), e.get("capabilityvalue", "")
            )
            for e in self.service_capability_list or []
        ]
        return ops.create(ctx, made, self._providers(), chosen)

    def _providers(self) -> dict[str, str]:
        """Return who gives each service that is supported."""
        given = {
            _named(e.get("service", "")): e.get("provider", "") for e in self.service_provider_list or []
        }
        wanted = [_named(name) for name in self.supported_services or []]
        for name in wanted:
            if name not in given:
                raise Refused(f"Service {name} has no provider: say who gives it in serviceproviderlist")
        for name in given:
            if name not in wanted:
                raise Refused(f"Service {name} is in serviceproviderlist and not in supportedservices")
        return given


def _named(service: str) -> str:
    """Return a service by its proper name, whatever its case."""
    return next((name for name in SERVICES if name.lower() == service.strip().lower()), service)


class UpdateNetworkOffering(Command):
    """Change a network offering; networks that have it stay as they are."""

    name = "updateNetworkOffering"
    roles = ADMIN
    response = NetworkOfferingView
    view = staticmethod(network_offerings)

    id: NetworkOffering | None = param("the offering", default=None)
    name_: str | None = param("its name", default=None, wire="name")
    display_text: str | None = param("its description", default=None, max_length=1024)
    state: str | None = param("Enabled or Disabled", default=None, choices=("Enabled", "Disabled"))
    availability: str | None = param("Optional or Required", default=None, choices=AVAILABILITY)
    tags: str | None = param("of the physical network that carries its networks", default=None)
    domain_id: list[Domain] | None = param("only for these domains and those below", default=None)
    zone_id: list[Zone] | None = param("only in these zones", default=None)

    def run(self, ctx: Ctx) -> NetworkOffering:
        row = self.id
        if row is None:
            raise MissingParameter(self.name.lower(), "id")
        row.name, row.display_text = self.name_ or row.name, self.display_text or row.display_text
        if self.tags is not None:
            row.tags = self.tags
        if self.domain_id is not None:
            row.domain_ids = id_list(self.domain_id)
        if self.zone_id is not None:
            row.zone_ids = id_list(self.zone_id)
        return ops.update(ctx, row, state=self.state, availability=self.availability)


class DeleteNetworkOffering(Command):
    """Delete a network offering that no network has."""

    name = "deleteNetworkOffering"
    roles = ADMIN

    id: NetworkOffering = param("the offering")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


class ListSupportedNetworkServices(List):
    """List the services that networks can have, who gives them, and what can be said of them."""

    name = "listSupportedNetworkServices"
    roles = ADMIN
    response = ServiceView
    view = staticmethod(supported)

    service: str | None = param("this one", default=None)
    provider: str | None = param("those that this provider gives", default=None)

    def run(self, ctx: Ctx) -> Page[Service]:
        found = [
            s
            for s in SERVICES.values()
            if (not self.service or s.name.lower() == self.service.lower())
            and (not self.provider or self.provider.lower() in (p.lower() for p in s.providers))
            and (not self.keyword or self.keyword.lower() in s.name.lower())
        ]
        want = paging(self.page, self.pagesize)
        rest = found[want.first :]
        return Page(rest if want.size is None else rest[: want.size], len(found))


COMMANDS = (
    ListNetworkOfferings, CreateNetworkOffering, UpdateNetworkOffering, DeleteNetworkOffering,
    ListSupportedNetworkServices,
)  # fmt: skip
