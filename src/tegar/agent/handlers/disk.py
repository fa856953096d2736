"""Pools and disks."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.wire.disk import (
    CreateDisk,
    DeleteDisk,
    DeleteSeed,
    DiskFacts,
    DiskGone,
    OpenPool,
    PoolFacts,
    SeedFacts,
    SeedTemplate,
)

table: Handlers[Host] = Handlers()


@table.handles
def open_pool(host: Host, ask: OpenPool) -> PoolFacts:
    """Reach a pool."""
    return host.disks.open(ask.pool)


@table.handles
def create_disk(host: Host, ask: CreateDisk) -> DiskFacts:
    """Make a disk, or report the one that exists."""
    with host.locks.of(ask.volume_uuid):
        return host.disks.create(ask.pool, ask.volume_uuid, ask.size_bytes, ask.base_uuid)


@table.handles
def delete_disk(host: Host, ask: DeleteDisk) -> DiskGone:
    """Remove a disk."""
    with host.locks.of(ask.volume_uuid):
        host.disks.delete(ask.pool, ask.volume_uuid)
        return DiskGone()


@table.handles
def seed_template(host: Host, ask: SeedTemplate) -> SeedFacts:
    """Cache a template on a pool."""
    return host.disks.seed(ask.pool, ask.template_uuid, ask.store)


@table.handles
def delete_seed(host: Host, ask: DeleteSeed) -> DiskGone:
    """Remove a cached template."""
    host.disks.delete_seed(ask.pool, ask.template_uuid)
    return DiskGone()
