"""Add an image store: a host of the zone reaches it before anybody may rely on it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.saga.env import Env, link
from tegar.store.images import ImageStore
from tegar.wire.image import OpenStore, StoreFacts


@dataclass(frozen=True)
class AddStore:
    """Which store, and the host that tries it; no host when the zone has none yet."""

    store_id: int
    host_id: int | None


def accepted(run: Run[Env, AddStore]) -> None:
    """Begin."""


def forget(run: Run[Env, AddStore]) -> None:
    """Remove the row again."""

    def work(s: Session) -> None:
        s.get_one(ImageStore, run.params.store_id).removed_s = run.env.clock.now_s()

    run.env.db.tx(work)


def reach(run: Run[Env, AddStore]) -> StoreFacts | None:
    """Let the host open the store."""
    if run.params.host_id is None:
        return None
    spec = run.env.db.read(lambda s: s.get_one(ImageStore, run.params.store_id).spec())
    return link(run, run.params.host_id).ask(OpenStore(spec))


def nothing(run: Run[Env, AddStore]) -> None:
    """Opening leaves nothing behind."""


ADD_STORE = Saga[Env, AddStore](
    "image_store.add",
    AddStore,
    Step(accepted, undo=forget),
    Step(reach, undo=nothing),
)
