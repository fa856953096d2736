"""VPC offerings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date
from tegar.api.views.network_offering import ServiceView, listed
from tegar.ops.ctx import Ctx
from tegar.store.vpcs import VpcOffering


class VpcOfferingView(TypedDict, total=False):
    """A kind of VPC."""

    id: str
    name: str
    displaytext: str
    created: str | None
    state: str
    isdefault: bool
    service: list[ServiceView]
    distributedvpcrouter: bool
    supportsregionLevelvpc: bool
    fornsx: bool
    internetprotocol: str
    specifyasnumber: bool


def vpc_offerings(ctx: Ctx, rows: Sequence[VpcOffering]) -> list[VpcOfferingView]:
    """Return VPC offerings."""
    return [
        {
            "id": o.uuid,
            "name": o.name,
            "displaytext": o.display_text,
            "created": date(o.created_s),
            "state": o.state,
            "isdefault": o.is_default,
            "service": listed(o.services, {}),
            "distributedvpcrouter": False,
            "supportsregionLevelvpc": False,
            "fornsx": False,
            "internetprotocol": "IPv4",
            "specifyasnumber": False,
        }
        for o in rows
    ]
