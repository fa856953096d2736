"""Add an image store: a host of the zone reaches it before anybody may rely on it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import SECONDARY
from tegar.kernel.db import by_uuid, live
from tegar.kernel.errors import NotYet, Refused, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.spec import StoreSpec
from tegar.saga.env import Env, link
from tegar.saga.reach import cannot, up
from tegar.store.images import ImageStore
from tegar.store.serial import alone
from tegar.store.zones import Zone


@dataclass(frozen=True)
class AddStore:
    """The store as it shall be, with the uuid its row will have."""

    uuid: str
    name: str
    provider: str
    url: str
    zone_id: int


Add = Run[Env, AddStore]


def reach(run: Add) -> None:
    """Let a host of the zone open the store; a zone that has none yet is believed."""
    want = run.params
    found = run.env.db.read(lambda s: [(h.id, h.name) for h in up(s, want.zone_id)])
    if not found:
        return
    host_id, name = found[0]
    spec = StoreSpec(want.uuid, want.url)
    try:
        SECONDARY[want.url.partition(":")[0]].open(spec, link(run, host_id))
    except NotYet:
        raise
    except TegarError as e:
        raise cannot(e, name, f"image store {want.name}") from e


def nothing(run: Add) -> None:
    """Opening leaves nothing behind."""


def record(run: Add) -> None:
    """Write the row."""

    def work(s: Session) -> None:
        alone(s)
        want = run.params
        if by_uuid(s, ImageStore, want.uuid):
            return
        same = (ImageStore.url == want.url, ImageStore.zone_id == want.zone_id, live(ImageStore))
        other = s.scalars(select(ImageStore).where(*same)).first()
        if other:
            raise Refused(f"Image store {other.name} ({other.uuid}) is at that place already")
        if s.get_one(Zone, want.zone_id).removed_s:
            raise Refused("The zone was deleted while the image store was added")
        s.add(
            ImageStore(
                uuid=want.uuid, name=want.name, provider=want.provider, url=want.url, zone_id=want.zone_id
            )
        )

    run.env.db.tx(work)


ADD_STORE = Saga[Env, AddStore](
    "image_store.add", AddStore, Step(reach, undo=nothing, patience_s=8), Step(record)
)
