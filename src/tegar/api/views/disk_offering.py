"""Disk offerings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date
from tegar.model.units import GIB
from tegar.ops.ctx import Ctx
from tegar.store.offerings import DiskOffering


class DiskOfferingView(TypedDict, total=False):
    """A kind of data disk; ``disksize`` in GiB, 0 when the caller says."""

    id: str
    name: str
    displaytext: str
    state: str
    disksize: int
    created: str | None
    iscustomized: bool
    iscustomizediops: bool
    tags: str | None
    storagetype: str
    provisioningtype: str
    displayoffering: bool
    disksizestrictness: bool
    encrypt: bool


def disk_offerings(ctx: Ctx, rows: Sequence[DiskOffering]) -> list[DiskOfferingView]:
    """Return disk offerings."""
    return [
        {
            "id": o.uuid,
            "name": o.name,
            "displaytext": o.display_text,
            "state": "Inactive" if o.removed_s else "Active",
            "disksize": (o.size_bytes or 0) // GIB,
            "created": date(o.created_s),
            "iscustomized": o.custom,
            "iscustomizediops": False,
            "tags": o.tags or None,
            "storagetype": o.storage_type,
            "provisioningtype": "thin",
            "displayoffering": True,
            "disksizestrictness": False,
            "encrypt": False,
        }
        for o in rows
    ]
