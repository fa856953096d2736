"""Which pool for which disk."""

from __future__ import annotations

from collections.abc import Sequence

from tegar.scheduler.view import DiskWant, PoolView


def refuse(want: DiskWant, pool: PoolView, free_bytes: int) -> str | None:
    """Return why a disk cannot be on a pool, or None."""
    if not pool.up:
        return f"pool {pool.name} is not up"
    if want.tags - pool.tags:
        return f"pool {pool.name} lacks the tags {', '.join(sorted(want.tags - pool.tags))}"
    lacks = want.size_bytes - free_bytes
    return f"pool {pool.name} lacks {lacks} bytes" if lacks > 0 else None


def place_disks(wants: Sequence[DiskWant], pools: Sequence[PoolView]) -> tuple[dict[int, int], str | None]:
    """Return the pool of each disk by volume id, or why there is none; the emptiest pool first."""
    free = {pool.id: pool.free_bytes for pool in pools}
    chosen: dict[int, int] = {}
    for want in wants:
        if want.pool_id is not None:
            if want.pool_id not in free:
                return {}, "does not reach the pool of the VM's disks"
            chosen[want.volume_id] = want.pool_id
            continue
        why = "reaches no pool"
        for pool in sorted(pools, key=lambda p: (-free[p.id], p.id)):
            refusal = refuse(want, pool, free[pool.id])
            if refusal is None:
                chosen[want.volume_id] = pool.id
                free[pool.id] -= want.size_bytes
                break
            why = refusal
        else:
            return {}, why
    return chosen, None
