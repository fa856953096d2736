"""Service offerings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date, load
from tegar.model.units import GIB, MIB
from tegar.ops.ctx import Ctx
from tegar.ops.service_offering import ids_of
from tegar.store.accounts import Domain
from tegar.store.offerings import ServiceOffering
from tegar.store.zones import Zone


class ServiceOfferingView(TypedDict, total=False):
    """CPU and memory (MiB) of VMs; a custom one has 0 of what the caller says."""

    id: str
    name: str
    displaytext: str
    state: str
    cpunumber: int
    cpuspeed: int
    memory: int
    created: str | None
    storagetype: str
    provisioningtype: str
    offerha: bool
    limitcpuuse: bool
    isvolatile: bool
    storagetags: str | None
    hosttags: str | None
    domainid: str | None
    domain: str | None
    zoneid: str | None
    zone: str | None
    issystem: bool
    defaultuse: bool
    iscustomized: bool
    iscustomizediops: bool
    serviceofferingdetails: dict[str, str] | None
    rootdisksize: int
    dynamicscalingenabled: bool
    diskofferingstrictness: bool
    encryptroot: bool


def service_offerings(ctx: Ctx, rows: Sequence[ServiceOffering]) -> list[ServiceOfferingView]:
    """Return service offerings."""
    domains = load(ctx.s, Domain, (id for o in rows for id in ids_of(o.domain_ids)))
    zones = load(ctx.s, Zone, (id for o in rows for id in ids_of(o.zone_ids)))
    return [
        _offering(
            o,
            [domains[id] for id in ids_of(o.domain_ids) if id in domains],
            [zones[id] for id in ids_of(o.zone_ids) if id in zones],
        )
        for o in rows
    ]


def _offering(o: ServiceOffering, domains: list[Domain], zones: list[Zone]) -> ServiceOfferingView:
    return {
        "id": o.uuid,
        "name": o.name,
        "displaytext": o.display_text,
        "state": "Inactive" if o.removed_s else "Active",
        "cpunumber": o.cpus or 0,
        "cpuspeed": o.cpu_mhz or 0,
        "memory": (o.memory_bytes or 0) // MIB,
        "created": date(o.created_s),
        "storagetype": o.storage_type,
        "provisioningtype": "thin",
        "offerha": o.ha,
        "limitcpuuse": o.limit_cpu,
        "isvolatile": False,
        "storagetags": o.storage_tags or None,
        "hosttags": o.host_tags or None,
        "domainid": ",".join(d.uuid for d in domains) or None,
        "domain": ",".join(d.name for d in domains) or None,
        "zoneid": ",".join(z.uuid for z in zones) or None,
        "zone": ",".join(z.name for z in zones) or None,
        "issystem": False,
        "defaultuse": False,
        "iscustomized": o.custom,
        "iscustomizediops": False,
        "serviceofferingdetails": _bounds(o),
        "rootdisksize": (o.root_disk_bytes or 0) // GIB,
        "dynamicscalingenabled": False,
        "diskofferingstrictness": False,
        "encryptroot": False,
    }


def _bounds(o: ServiceOffering) -> dict[str, str] | None:
    if o.min_cpus is None or o.max_cpus is None or o.min_memory_bytes is None or o.max_memory_bytes is None:
        return None
    return {
        "mincpunumber": str(o.min_cpus),
        "maxcpunumber": str(o.max_cpus),
        "minmemory": str(o.min_memory_bytes // MIB),
        "maxmemory": str(o.max_memory_bytes // MIB),
    }
