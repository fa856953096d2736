"""Delete a volume and its file.  Only forward."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.saga import Run, Saga, Step
from tegar.saga.env import Env, link
from tegar.saga.vm_destroy import DeadDisk, dead_disk, expunged
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class DeleteVolume:
    """Which volume."""

    volume_id: int


Delete = Run[Env, DeleteVolume]


def delete_file(run: Delete) -> None:
    """Remove the file, if there is one."""

    def work(s: Session) -> DeadDisk:
        return dead_disk(s, s.get_one(Volume, run.params.volume_id))

    dead = run.env.db.tx(work)
    if dead.pool is not None and dead.host_id is not None:
        PRIMARY[dead.pool.kind].delete(dead.pool, dead.volume_uuid, link(run, dead.host_id))


def say_gone(run: Delete) -> None:
    """The volume is gone and its room free."""
    run.env.db.tx(lambda s: expunged(s, run.params.volume_id, run.env.clock.now_s()))


DELETE_VOLUME = Saga[Env, DeleteVolume](
    "volume.delete",
    DeleteVolume,
    Step(delete_file, patience_s=60),
    Step(say_gone),
    forward_only=True,
)
