"""Network offerings, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from tegar.api.views.base import date, load
from tegar.model.service import Service
from tegar.ops.ctx import Ctx
from tegar.ops.network_offering import capabilities_of
from tegar.ops.service_offering import ids_of
from tegar.store.accounts import Domain
from tegar.store.offerings import NetworkOffering, ServiceOffering
from tegar.store.stock import stock_uuid
from tegar.store.zones import Zone

# libcloud wants to read the size of the router, which this cloud chooses and does not offer.
ROUTER_SIZE = stock_uuid(ServiceOffering, "router")


class ServiceProviderView(TypedDict):
    """Who does a service."""

    name: str


class CapabilityView(TypedDict):
    """What a service can do, or what an offering chose of it."""

    name: str
    value: str
    canchooseservicecapability: bool


class ServiceView(TypedDict):
    """A service of a network and who does it."""

    name: str
    provider: list[ServiceProviderView]
    capability: list[CapabilityView]


class NetworkOfferingView(TypedDict, total=False):
    """A kind of network."""

    id: str
    name: str
    displaytext: str
    created: str | None
    traffictype: str
    guestiptype: str
    state: str
    availability: str
    isdefault: bool
    specifyvlan: bool
    specifyipranges: bool
    conservemode: bool
    forvpc: bool
    ispersistent: bool
    egressdefaultpolicy: bool
    supportsinternallb: bool
    supportspublicaccess: bool
    supportsstrechedl2subnet: bool
    tags: str | None
    domainid: str | None
    domain: str | None
    zoneid: str | None
    zone: str | None
    internetprotocol: str
    specifyasnumber: bool
    fornsx: bool
    fortungsten: bool
    serviceofferingid: str | None
    service: list[ServiceView]


def services_of(offering: NetworkOffering) -> list[ServiceView]:
    """Return the services that are kept as ``Dhcp=VirtualRouter,Dns=VirtualRouter``, with what was chosen of them."""
    chosen: dict[str, list[CapabilityView]] = {}
    for c in capabilities_of(offering):
        chosen.setdefault(c.service, []).append(
            {"name": c.name, "value": c.value, "canchooseservicecapability": False}
        )
    return listed(offering.services, chosen)


def listed(services: str, chosen: Mapping[str, list[CapabilityView]]) -> list[ServiceView]:
    """Return services with their providers and with what was chosen of each."""
    found: dict[str, list[ServiceProviderView]] = {}
    for pair in services.split(","):
        name, _, provider = pair.strip().partition("=")
        if name:
            found.setdefault(name, []).extend([{"name": provider}] if provider else [])
    return [
        {"name": name, "provider": providers, "capability": chosen.get(name, [])}
        for name, providers in found.items()
    ]


def supported(ctx: Ctx, rows: Sequence[Service]) -> list[ServiceView]:
    """Return services that this cloud can give."""
    return [
        {
            "name": s.name,
            "provider": [{"name": name} for name in s.providers],
            "capability": [
                {"name": name, "value": value, "canchooseservicecapability": name in s.chosen}
                for name, value in s.capabilities
            ],
        }
        for s in rows
    ]


def network_offerings(ctx: Ctx, rows: Sequence[NetworkOffering]) -> list[NetworkOfferingView]:
    """Return network offerings."""
    domains = load(ctx.s, Domain, (i for o in rows for i in ids_of(o.domain_ids)))
    zones = load(ctx.s, Zone, (i for o in rows for i in ids_of(o.zone_ids)))
    return [
        {
            "id": o.uuid,
            "name": o.name,
            "displaytext": o.display_text,
            "created": date(o.created_s),
            "traffictype": "Guest",
            "guestiptype": o.guest_type,
            "state": o.state,
            "availability": o.availability,
            "isdefault": o.is_default,
            "specifyvlan": o.specify_vlan,
            "specifyipranges": o.specify_ip_ranges,
            "conservemode": o.conserve_mode,
            "forvpc": o.for_vpc,
            "ispersistent": o.persistent,
            "egressdefaultpolicy": o.egress_allowed,
            "supportsinternallb": o.internal_lb,
            "supportspublicaccess": "SourceNat=" in o.services or "StaticNat=" in o.services,
            "supportsstrechedl2subnet": False,
            "tags": o.tags or None,
            **_audience(o, domains, zones),
            "internetprotocol": "IPv4",
            "specifyasnumber": False,
            "fornsx": False,
            "fortungsten": False,
            "serviceofferingid": ROUTER_SIZE,  # Libcloud wants it of every offering
            "service": services_of(o),
        }
        for o in rows
    ]


def _audience(o: NetworkOffering, domains: dict[int, Domain], zones: dict[int, Zone]) -> NetworkOfferingView:
    """Return whom an offering is for; nothing of those that are for all."""
    theirs, there = [domains[i] for i in ids_of(o.domain_ids)], [zones[i] for i in ids_of(o.zone_ids)]
    return {
        "domainid": ",".join(d.uuid for d in theirs) or None,
        "domain": ",".join(d.name for d in theirs) or None,
        "zoneid": ",".join(z.uuid for z in there) or None,
        "zone": ",".join(z.name for z in there) or None,
    }
