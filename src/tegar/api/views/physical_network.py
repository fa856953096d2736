"""Physical networks, traffic types, providers and their elements, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.model.service import PROVIDED
from tegar.ops.ctx import Ctx
from tegar.store.zones import PhysicalNetwork, Provider, RouterElement, TrafficType, Zone


class PhysicalNetworkView(TypedDict, total=False):
    """A physical network."""

    id: str
    name: str
    zoneid: str
    zonename: str
    state: str
    broadcastdomainrange: str
    isolationmethods: str
    networkspeed: str | None
    vlan: str | None
    tags: str | None


def physical_networks(ctx: Ctx, rows: Sequence[PhysicalNetwork]) -> list[PhysicalNetworkView]:
    """Return physical networks with their zone's name."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
            "state": r.state,
            "broadcastdomainrange": r.broadcast_range,
            "isolationmethods": r.isolation,
            "networkspeed": r.speed,
            "vlan": r.vlan,
            "tags": r.tags,
        }
        for r in rows
    ]


class TrafficTypeView(TypedDict, total=False):
    """A kind of traffic that a physical network carries; ``name`` is ``traffictype`` again, for Go."""

    id: str
    name: str
    traffictype: str
    physicalnetworkid: str
    kvmnetworklabel: str


def traffic_types(ctx: Ctx, rows: Sequence[TrafficType]) -> list[TrafficTypeView]:
    """Return traffic types."""
    networks = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.traffic.value,
            "traffictype": r.traffic.value,
            "physicalnetworkid": networks[r.physical_network_id].uuid,
            "kvmnetworklabel": r.kvm_label,
        }
        for r in rows
    ]


class ProviderView(TypedDict, total=False):
    """A provider of network services."""

    id: str
    name: str
    physicalnetworkid: str
    state: str
    servicelist: list[str]
    canenableindividualservice: bool


def providers(ctx: Ctx, rows: Sequence[Provider]) -> list[ProviderView]:
    """Return providers."""
    networks = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "physicalnetworkid": networks[r.physical_network_id].uuid,
            "state": r.state,
            "servicelist": PROVIDED.get(r.name, []),
            "canenableindividualservice": False,
        }
        for r in rows
    ]


class ElementView(TypedDict, total=False):
    """The virtual router of a provider."""

    id: str
    nspid: str
    enabled: bool


def elements(ctx: Ctx, rows: Sequence[RouterElement]) -> list[ElementView]:
    """Return virtual router elements."""
    owners = load(ctx.s, Provider, (r.provider_id for r in rows))
    return [{"id": r.uuid, "nspid": owners[r.provider_id].uuid, "enabled": r.enabled} for r in rows]
