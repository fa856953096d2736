"""Image stores (secondary storage)."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Success
from tegar.api.commands.where import only
from tegar.api.views.image_store import ImageStoreView, image_stores
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops import image_store as ops
from tegar.ops.ctx import Ctx
from tegar.store.images import ImageStore
from tegar.store.zones import Zone


class AddImageStore(Command):
    """Add secondary storage: a host of the zone must reach it."""

    name = "addImageStore"
    roles = ADMIN
    response = ImageStoreView
    entity = ImageStore
    view = staticmethod(image_stores)

    provider: str = param("NFS, or Local for a directory that every host has", choices=ops.PROVIDERS)
    url: str | None = param("nfs://server/path or file:///path", default=None)
    name_: str | None = param("its name; the address by default", default=None, wire="name", max_length=100)
    zone_id: Zone | None = param("the zone", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        if not self.url:
            raise MissingParameter(self.name.lower(), "url")
        return ops.add(ctx, provider=self.provider, url=self.url, name=self.name_ or "", zone=self.zone_id)


class ListImageStores(List):
    """List secondary storage."""

    name = "listImageStores"
    roles = ADMIN
    response = ImageStoreView
    view = staticmethod(image_stores)

    id: ImageStore | None = param("the image store", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("of this zone", default=None)
    provider: str | None = param("NFS or Local", default=None)
    protocol: str | None = param("nfs or file", default=None)
    read_only: bool | None = param("only those that take no new templates", default=None, wire="readonly")

    def run(self, ctx: Ctx) -> Page[ImageStore]:
        row = ImageStore
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.provider, self.provider),
            (row.read_only, self.read_only),
        )
        if self.protocol:
            stmt = stmt.where(row.url.startswith(f"{self.protocol.lower()}://", autoescape=True))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class DeleteImageStore(Command):
    """Forget secondary storage on which no template has its only copy."""

    name = "deleteImageStore"
    roles = ADMIN

    id: ImageStore = param("the image store")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (AddImageStore, ListImageStores, DeleteImageStore)
