"""Network offerings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date
from tegar.ops.ctx import Ctx
from tegar.store.offerings import NetworkOffering, ServiceOffering
from tegar.store.stock import stock_uuid

# libcloud wants to read the size of the router, which this cloud chooses and does not offer.
ROUTER_SIZE = stock_uuid(ServiceOffering, "router")


class ServiceProviderView(TypedDict):
    """Who does a service."""

    name: str


class ServiceView(TypedDict):
    """A service of a network and who does it."""

    name: str
    provider: list[ServiceProviderView]


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
    internetprotocol: str
    specifyasnumber: bool
    fornsx: bool
    fortungsten: bool
    serviceofferingid: str | None
    service: list[ServiceView]


def services_of(text: str) -> list[ServiceView]:
    """Return the services that are kept as ``Dhcp=VirtualRouter,Dns=VirtualRouter``."""
    found: dict[str, list[ServiceProviderView]] = {}
    for pair in text.split(","):
        name, _, provider = pair.strip().partition("=")
        if name:
            found.setdefault(name, []).extend([{"name": provider}] if provider else [])
    return [{"name": name, "provider": providers} for name, providers in found.items()]


def network_offerings(ctx: Ctx, rows: Sequence[NetworkOffering]) -> list[NetworkOfferingView]:
    """Return network offerings."""
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
            "ispersistent": False,
            "internetprotocol": "IPv4",
            "specifyasnumber": False,
            "fornsx": False,
            "fortungsten": False,
            "serviceofferingid": ROUTER_SIZE if "=VirtualRouter" in o.services else None,
            "service": services_of(o.services),
        }
        for o in rows
    ]
