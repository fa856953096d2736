"""Dedicated guest VLANs, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load, path_of
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.segments import DedicatedRange
from tegar.store.zones import PhysicalNetwork


class DedicatedRangeView(TypedDict, total=False):
    """A range of guest VLANs of one account or domain; the protocol has numbers for its wires and zone."""

    id: str
    guestvlanrange: str
    physicalnetworkid: int
    zoneid: int
    account: str | None
    domain: str
    domainid: str
    domainpath: str


def dedicated_ranges(ctx: Ctx, rows: Sequence[DedicatedRange]) -> list[DedicatedRangeView]:
    """Return dedicated ranges with whom they are for."""
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    wires = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    return [
        {
            "id": r.uuid,
            "guestvlanrange": f"{r.first}-{r.last}",
            "physicalnetworkid": r.physical_network_id,
            "zoneid": wires[r.physical_network_id].zone_id,
            "account": accounts[r.account_id].name if r.account_id else None,
            "domain": domains[r.domain_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domainpath": path_of(domains[r.domain_id]),
        }
        for r in rows
    ]
