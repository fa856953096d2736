"""Zones, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.ops.ctx import Ctx
from tegar.store.zones import Zone


class ZoneView(TypedDict, total=False):
    """A zone."""

    id: str
    name: str
    dns1: str | None
    dns2: str | None
    internaldns1: str | None
    internaldns2: str | None
    guestcidraddress: str | None
    domain: str | None
    networktype: str
    securitygroupsenabled: bool
    allocationstate: str
    localstorageenabled: bool
    dhcpprovider: str
    type: str
    tags: list[dict[str, Any]]


def zones(ctx: Ctx, rows: Sequence[Zone]) -> list[ZoneView]:
    """Return zones; a user does not see the internal name servers."""
    return [
        {
            "id": z.uuid,
            "name": z.name,
            "dns1": z.dns1,
            "dns2": z.dns2,
            "internaldns1": z.internal_dns1 if ctx.is_admin else None,
            "internaldns2": z.internal_dns2 if ctx.is_admin else None,
            "guestcidraddress": z.guest_cidr if ctx.is_admin else None,
            "domain": z.network_domain,
            "networktype": z.network_type,
            "securitygroupsenabled": z.security_groups,
            "allocationstate": z.allocation,
            "localstorageenabled": z.local_storage,
            "dhcpprovider": "VirtualRouter",
            "type": "Core",
            "tags": [],
        }
        for z in rows
    ]
