"""Image stores (secondary storage)."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import Job, SagaRow
from tegar.model.errors import Exists, InUse
from tegar.model.template import State
from tegar.ops.ctx import Ctx
from tegar.ops.pool import clean_path, clean_server
from tegar.saga.image_store_add import ADD_STORE, AddStore
from tegar.store.images import Copy, ImageStore, Template
from tegar.store.serial import alone
from tegar.store.zones import Zone

PROVIDERS = ("NFS", "Local")


def clean_url(provider: str, url: str) -> str:
    """Return a store's address as it is written best: ``nfs://server/path`` or ``file:///path``.

    Raises:
        BadParameter: it makes no sense, or is not the provider's.
    """
    parts = urlsplit(url.strip())
    if provider == "NFS":
        example = "nfs://10.1.2.3/export/secondary"
        if parts.scheme != "nfs":
            raise BadParameter("url", f"provider NFS has addresses such as {example}")
        return f"nfs://{clean_server(parts.netloc, example)}{clean_path(parts.path, example)}"
    example = "file:///mnt/secondary"
    if parts.scheme != "file" or parts.netloc.lower() not in ("", "localhost"):
        raise BadParameter("url", f"provider Local has addresses such as {example}: the same on every host")
    return f"file://{clean_path(parts.path, example)}"


def add(ctx: Ctx, *, provider: str, url: str, name: str, zone: Zone | None) -> SagaRow:
    """Ask for an image store; its row appears when a host of the zone has opened it.

    Raises:
        Exists: the zone has one of that name.
        Refused: no zone.
    """
    if zone is None:
        raise Refused(f"An image store of provider {provider} needs zoneid: hosts of a zone reach it")
    address = clean_url(provider, url)
    taken = select(ImageStore.id).where(
        ImageStore.zone_id == zone.id, ImageStore.name == (name or address), live(ImageStore)
    )
    if ctx.s.scalars(taken).first():
        raise Exists("image store", name or address)
    params = AddStore(str(uuid4()), name or address[:100], provider, address, zone.id)
    ctx.note("IMAGE.STORE.CREATE", f"Adding image store {params.name} at {address}", state="Scheduled")
    about = Job(ctx.command, ctx.user.id, ctx.account.id, "ImageStore", params.uuid)
    return ADD_STORE.submit(ctx.s, params, about)


def delete(ctx: Ctx, store: ImageStore) -> None:
    """Forget an image store; its files stay where they are.

    Raises:
        InUse: a template has its only copy there, or may be on its way there.
    """
    alone(ctx.s)
    other = aliased(Copy)
    only = (
        select(Template.name)
        .join(Copy, Copy.template_id == Template.id)
        .where(Copy.store_id == store.id, live(Template))
        .where(~exists().where(other.template_id == Template.id, other.store_id != store.id))
    )
    names = ctx.s.scalars(only.order_by(Template.name).limit(4)).all()
    if names:
        raise InUse(
            f"Image store {store.name}", f"the only copies of {', '.join(names)} are on it; delete them first"
        )
    coming = select(Template.name).where(Template.state == State.FETCHING, live(Template))
    coming = coming.where((Template.zone_id == store.zone_id) | Template.zone_id.is_(None))
    name = ctx.s.scalars(coming.limit(1)).first()
    if name:
        raise InUse(
            f"Image store {store.name}", f"template {name} is being fetched; wait until that has ended"
        )
    ctx.s.execute(sql_delete(Copy).where(Copy.store_id == store.id))
    store.removed_s = ctx.now_s
    ctx.note("IMAGE.STORE.DELETE", f"Image store {store.name} deleted", store)
