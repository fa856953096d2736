"""Delete a storage pool on which no volume lives: templates cached on it go, then it is forgotten.

Its room is taken away first, so no volume can come while templates are removed from under it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import live
from tegar.kernel.errors import Fenced, NotYet, TegarError, Unavailable
from tegar.kernel.lease import changed
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import InUse
from tegar.model.spec import PoolSpec
from tegar.saga.env import Env, link
from tegar.saga.reach import for_pool
from tegar.store.images import Template
from tegar.store.pools import Pool, PoolUse, Seed
from tegar.store.serial import alone
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class DeletePool:
    """Which pool, its state before; ``forced``: also when it does not answer, leaving files behind."""

    pool_id: int
    was: str
    forced: bool


Delete = Run[Env, DeletePool]


def close(run: Delete) -> None:
    """Let no volume onto the pool."""

    def work(s: Session) -> None:
        alone(s)
        pool = s.get_one(Pool, run.params.pool_id)
        must_be_empty(s, pool)
        empty = delete(PoolUse).where(PoolUse.pool_id == pool.id, PoolUse.allocated_bytes == 0)
        if changed(s, empty) != 1 and s.scalar(select(PoolUse.pool_id).where(PoolUse.pool_id == pool.id)):
            raise InUse(f"Storage pool {pool.name}", "a volume is coming to it")
        pool.state = "Disabled"

    run.env.db.tx(work)


def must_be_empty(s: Session, pool: Pool) -> None:
    """Refuse a pool with volumes.

    Raises:
        InUse: there are some; says how many.
    """
    count = len(s.scalars(select(Volume.id).where(Volume.pool_id == pool.id, live(Volume)).limit(100)).all())
    if count:
        some = (
            f"{count} volumes live"
            if 1 < count < 100
            else "a volume lives"
            if count == 1
            else "many volumes live"
        )
        raise InUse(f"Storage pool {pool.name}", f"{some} on it; delete them first")


def open_again(run: Delete) -> None:
    """Let volumes come again."""

    def work(s: Session) -> None:
        pool = s.get_one(Pool, run.params.pool_id)
        if s.get(PoolUse, pool.id) is None:
            s.add(PoolUse(pool_id=pool.id, allocated_bytes=0))
        pool.state = run.params.was

    run.env.db.tx(work)


def clear(run: Delete) -> None:
    """Remove the templates cached on the pool."""

    def read(s: Session) -> tuple[PoolSpec, list[tuple[int, str]], int | None]:
        pool = s.get_one(Pool, run.params.pool_id)
        seeds = select(Seed.id, Template.uuid).join(Template, Template.id == Seed.template_id)
        found = [(a, b) for a, b in s.execute(seeds.where(Seed.pool_id == pool.id))]
        host = for_pool(s, pool)
        return pool.spec(), found, host.id if host else None

    pool, seeds, host_id = run.env.db.read(read)
    for seed_id, template_uuid in seeds:
        try:
            if host_id is None:
                raise Unavailable("The storage pool", "no host that reaches it is up")
            PRIMARY[pool.kind].unseed(pool, template_uuid, link(run, host_id))
        except (Fenced, NotYet):
            raise
        except TegarError:
            if not run.params.forced:
                raise
        _forget_seed(run, seed_id)


def _forget_seed(run: Delete, seed_id: int) -> None:
    def work(s: Session) -> None:
        s.execute(delete(Seed).where(Seed.id == seed_id))

    run.env.db.tx(work)


def cached_again(run: Delete) -> None:
    """Templates are cached again when a VM wants them."""


def gone(run: Delete) -> None:
    """Forget the pool."""

    def work(s: Session) -> None:
        pool = s.get_one(Pool, run.params.pool_id)
        if not pool.removed_s:
            pool.removed_s, pool.state = run.env.clock.now_s(), "Removed"

    run.env.db.tx(work)


DELETE_POOL = Saga[Env, DeletePool](
    "pool.delete",
    DeletePool,
    Step(close, undo=open_again),
    Step(clear, undo=cached_again, patience_s=8),
    Step(gone),
)
