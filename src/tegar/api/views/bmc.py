"""BMCs, as the API shows them; their passwords it never shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.model.power import DISABLED
from tegar.ops.ctx import Ctx
from tegar.store import bmcs as store
from tegar.store.bmcs import Bmc
from tegar.store.hosts import Host
from tegar.store.zones import Cluster, Zone


class BmcView(TypedDict, total=False):
    """Out-of-band management of a host, or whether it is enabled in a cluster or zone.

    ``powerstate`` is On, Off or Unknown; Disabled when the BMC may not be used.
    """

    hostid: str
    driver: str
    address: str
    port: str
    username: str
    enabled: bool
    powerstate: str
    action: str
    status: bool
    description: str


def by_host(ctx: Ctx, rows: Sequence[Host]) -> dict[int, BmcView]:
    """Return what is shown of hosts' BMCs, by host id; of hosts without one, nothing."""
    found = store.of_hosts(ctx.s, [r.id for r in rows])
    if not found:
        return {}
    usable = set(ctx.s.scalars(store.usable().where(Bmc.host_id.in_(found))))
    return {r.id: _one(r, found[r.id], usable=r.id in usable) for r in rows if r.id in found}


def _one(host: Host, bmc: Bmc, *, usable: bool) -> BmcView:
    view: BmcView = {
        "hostid": host.uuid,
        "driver": bmc.driver,
        "address": f"{bmc.address}#{bmc.trust}" if bmc.trust else bmc.address,
        "port": str(bmc.port),
        "username": bmc.username,
        "enabled": bmc.enabled,
        "powerstate": bmc.power.value if usable else DISABLED,
        "status": True,
    }
    if bmc.action:
        view["action"] = bmc.action
    return view


def of_hosts(ctx: Ctx, rows: Sequence[Host]) -> list[BmcView]:
    """Return what is shown of hosts' BMCs."""
    found = by_host(ctx, rows)
    return [found.get(r.id, {"hostid": r.uuid, "enabled": False, "powerstate": DISABLED}) for r in rows]


def of_places(ctx: Ctx, rows: Sequence[Zone | Cluster]) -> list[BmcView]:
    """Return whether BMCs may be used in zones or clusters."""
    return [
        {
            "enabled": r.bmc_enabled,
            "status": True,
            "description": f"Out-of-band management of {type(r).__name__.lower()} {r.name} is "
            f"{'enabled' if r.bmc_enabled else 'disabled'}",
        }
        for r in rows
    ]
