"""Image stores, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.ops.ctx import Ctx
from tegar.store.images import ImageStore
from tegar.store.zones import Zone


class ImageStoreView(TypedDict, total=False):
    """An image store."""

    id: str
    name: str
    url: str
    protocol: str
    providername: str
    scope: str
    readonly: bool
    zoneid: str | None
    zonename: str | None


def image_stores(ctx: Ctx, rows: Sequence[ImageStore]) -> list[ImageStoreView]:
    """Return image stores with their zone's name."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    views: list[ImageStoreView] = []
    for r in rows:
        zone = zones.get(r.zone_id or 0)
        views.append(
            {
                "id": r.uuid,
                "name": r.name,
                "url": r.url,
                "protocol": r.url.partition(":")[0],
                "providername": r.provider,
                "scope": "ZONE" if zone else "REGION",
                "readonly": r.read_only,
                "zoneid": zone.uuid if zone else None,
                "zonename": zone.name if zone else None,
            }
        )
    return views
