"""Network offerings."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.errors import InUse
from tegar.model.service import INTERNAL_LB, OF_SHARED, ROUTER, SERVICES, VPC_ROUTER
from tegar.ops.ctx import Ctx
from tegar.ops.network_offering_stock import STOCK, stock
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering


def seed(s: Session) -> None:
    """Write the stock offerings that are missing; removed ones do not come back."""
    there = set(s.scalars(select(NetworkOffering.uuid)))
    s.add_all(row for row in map(stock, STOCK) if row.uuid not in there)
    s.flush()


@dataclass(frozen=True)
class Capability:
    """What an offering chooses of a service."""

    service: str
    name: str
    value: str


def create(
    ctx: Ctx, offering: NetworkOffering, providers: dict[str, str], capabilities: list[Capability]
) -> NetworkOffering:
    """Make an offering of services, each with who gives it.

    Raises:
        Refused: services that such networks do not have, or that contradict each other.
        BadParameter: a service, a provider or a capability that this cloud does not know.
    """
    if not offering.name.strip():
        raise BadParameter("name", "it must not be empty")
    _check_services(offering, providers)
    offering.services = ",".join(f"{name}={providers[name]}" for name in SERVICES if name in providers)
    offering.internal_lb = providers.get("Lb") == INTERNAL_LB
    for capability in capabilities:
        _choose(offering, capability, providers)
    _check_kind(offering, providers)
    kept: dict[str, dict[str, str]] = {}
    for c in capabilities:
        kept.setdefault(c.service, {})[c.name] = c.value
    offering.details = json.dumps(kept)
    ctx.s.add(offering)
    ctx.s.flush()
    ctx.note("NETWORK.OFFERING.CREATE", f"Network offering {offering.name} created", offering)
    return offering


def _check_services(offering: NetworkOffering, providers: dict[str, str]) -> None:
    for name, provider in providers.items():
        service = SERVICES.get(name)
        if service is None:
            raise BadParameter("supportedservices", f"{name[:40]!r} is none of {', '.join(SERVICES)}")
        if provider not in service.providers:
            raise BadParameter(
                "serviceproviderlist",
                f"{name} is given by {' or '.join(service.providers)}, not {provider[:40]!r}",
            )
        if offering.for_vpc == (provider == ROUTER):
            raise Refused(
                f"Provider {provider} is {'not ' if offering.for_vpc else 'only '}for tiers of VPCs"
            )
        if name == "NetworkACL" and not offering.for_vpc:
            raise Refused("Service NetworkACL is for tiers of VPCs")


def _check_kind(offering: NetworkOffering, providers: dict[str, str]) -> None:
    """Refuse what networks of that type cannot be."""
    kind, name = offering.guest_type, offering.name
    if kind == "L2" and providers:
        raise Refused("L2 networks have no services: leave supportedservices out")
    if kind == "Shared":
        others = sorted(set(providers) - set(OF_SHARED))
        if others:
            raise Refused(f"Shared networks have no {', '.join(others)}")
        if not (offering.specify_vlan and offering.specify_ip_ranges):
            raise Refused("Offerings of shared networks need specifyvlan=true and specifyipranges=true")
    if kind == "Isolated" and offering.specify_ip_ranges and "SourceNat" in providers:
        raise Refused(
            "Isolated networks with source NAT have no ranges of an operator: specifyipranges=false"
        )
    if kind != "Isolated" and (offering.for_vpc or offering.redundant):
        raise Refused(f"Networks of type {kind} are no tiers of VPCs and have no pair of routers")
    if kind == "Shared" and offering.persistent:
        raise Refused("Shared networks are never shut down: leave ispersistent out")
    if offering.redundant and ROUTER not in providers.values() and VPC_ROUTER not in providers.values():
        raise Refused(f"Offering {name} has no routers that could be redundant")
    if offering.availability == "Required" and (kind != "Isolated" or "SourceNat" not in providers):
        raise Refused("Availability Required is of isolated networks with source NAT: it is the default one")


def _choose(offering: NetworkOffering, capability: Capability, providers: dict[str, str]) -> None:
    if capability.service not in providers:
        raise Refused(f"Capability {capability.name}: the offering has no service {capability.service}")
    if capability.name not in SERVICES[capability.service].chosen:
        can = ", ".join(SERVICES[capability.service].chosen) or "none"
        raise BadParameter(
            "servicecapabilitylist",
            f"{capability.name[:40]!r} of {capability.service} cannot be chosen; {can}",
        )
    allowed = _VALUES.get(capability.name, ("true", "false"))
    if capability.value not in allowed:
        raise BadParameter("servicecapabilitylist", f"{capability.name} is {' or '.join(allowed)}")
    if capability.name == "RedundantRouter":
        offering.redundant = capability.value == "true"
    if capability.name == "LbSchemes":
        offering.internal_lb = capability.value == "internal"


_VALUES = {
    "SupportedSourceNatTypes": ("peraccount",),
    "SupportedLBIsolation": ("dedicated",),
    "LbSchemes": ("public", "internal"),
    "InlineMode": ("false",),
}


def capabilities_of(offering: NetworkOffering) -> list[Capability]:
    """Return what an offering chose."""
    kept = json.loads(offering.details or "{}")
    return [
        Capability(service, name, value) for service, chosen in kept.items() for name, value in chosen.items()
    ]


def update(
    ctx: Ctx, offering: NetworkOffering, *, state: str | None, availability: str | None
) -> NetworkOffering:
    """Enable or disable an offering, or make it the default one; networks that have it stay as they are.

    Raises:
        Refused: it cannot be the default.
    """
    offering.state = state or offering.state
    if availability:
        offering.availability = availability
        _check_kind(offering, dict.fromkeys(filter(offering.offers, SERVICES), ROUTER))
    ctx.s.flush()
    ctx.note("NETWORK.OFFERING.EDIT", f"Network offering {offering.name} changed", offering)
    return offering


def delete(ctx: Ctx, offering: NetworkOffering) -> None:
    """Offer it no more.

    Raises:
        InUse: networks have it.
        Refused: it is one that every cloud has: it can be disabled.
    """
    if offering.is_default:
        raise Refused(f"Network offering {offering.name} is one that every cloud has; disable it instead")
    used = select(Network.id).where(Network.offering_id == offering.id, live(Network)).limit(100)
    count = len(ctx.s.scalars(used).all())
    if count:
        raise InUse(f"Network offering {offering.name}", f"{count} networks have it; disable it instead")
    offering.removed_s = ctx.now_s
    ctx.note("NETWORK.OFFERING.DELETE", f"Network offering {offering.name} deleted", offering)
