"""Delete a template: caches that no disk stands on go first, then its images, then the row.

A cache with disks on it stays: those disks are overlays on it.  It only goes forward: the request
made the template Deleting, and an image that may be gone must never be called ready again.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY, SECONDARY
from tegar.kernel.db import fire, live
from tegar.kernel.errors import Unavailable
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.spec import PoolSpec, StoreSpec
from tegar.model.template import Event, State
from tegar.saga.env import Env, link
from tegar.saga.reach import for_pool, up
from tegar.store.images import Copy, ImageStore, Template
from tegar.store.pools import Pool, Seed
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class DeleteTemplate:
    """Which template."""

    template_id: int


Delete = Run[Env, DeleteTemplate]


def drop_seeds(run: Delete) -> None:
    """Remove the caches that no disk stands on; one that no host reaches now is left."""

    def read(s: Session) -> tuple[str, list[tuple[int, PoolSpec, int]]]:
        template = s.get_one(Template, run.params.template_id)
        # A disk without a pool yet may be about to stand on any of them.
        stands = exists().where(
            Volume.template_id == template.id,
            or_(Volume.pool_id == Seed.pool_id, Volume.pool_id.is_(None)),
            live(Volume),
        )
        free = select(Seed, Pool).join(Pool, Pool.id == Seed.pool_id)
        found = []
        for seed, pool in s.execute(free.where(Seed.template_id == template.id, ~stands)):
            host = for_pool(s, pool)
            if host is not None and not pool.removed_s:
                found.append((seed.id, pool.spec(), host.id))
        return template.uuid, found

    uuid, seeds = run.env.db.read(read)
    for seed_id, pool, host_id in seeds:
        _forget(run, delete(Seed).where(Seed.id == seed_id))
        PRIMARY[pool.kind].unseed(pool, uuid, link(run, host_id))


def _forget(run: Delete, statement: object) -> None:
    def work(s: Session) -> None:
        s.execute(statement)  # type: ignore[call-overload]

    run.env.db.tx(work)


def drop_images(run: Delete) -> None:
    """Remove its images from the image stores."""

    def read(s: Session) -> tuple[str, list[tuple[int, StoreSpec, int | None]]]:
        template = s.get_one(Template, run.params.template_id)
        stmt = select(Copy.id, ImageStore).join(ImageStore, ImageStore.id == Copy.store_id)
        found = []
        for copy_id, store in s.execute(stmt.where(Copy.template_id == template.id)):
            hosts = up(s, store.zone_id) if store.zone_id else []
            found.append((copy_id, store.spec(), hosts[0].id if hosts else None))
        return template.uuid, found

    uuid, copies = run.env.db.read(read)
    for copy_id, store, host_id in copies:
        if host_id is None:
            raise Unavailable("The image store of the template", "no host of the zone is up to reach it")
        SECONDARY[store.url.partition(":")[0]].delete(store, uuid, link(run, host_id))
        _forget(run, delete(Copy).where(Copy.id == copy_id))


def gone(run: Delete) -> None:
    """Forget the template; the row stays for the VMs that were made from it."""

    def work(s: Session) -> None:
        template = s.get_one(Template, run.params.template_id)
        if template.state == State.DELETING:
            fire(s, template, Event.DELETED)
            template.removed_s = run.env.clock.now_s()

    run.env.db.tx(work)


DELETE_TEMPLATE = Saga[Env, DeleteTemplate](
    "template.delete",
    DeleteTemplate,
    Step(drop_seeds),
    Step(drop_images, patience_s=60),
    Step(gone),
    forward_only=True,
)
