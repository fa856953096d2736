"""Pools that are a file system with qcow2 files: NFS, a shared mount point, a host's own directory."""

from __future__ import annotations

from tegar.kernel.wire import Link
from tegar.model.spec import PoolSpec, StoreSpec
from tegar.wire.disk import (
    CreateDisk,
    DeleteDisk,
    DeleteSeed,
    DiskFacts,
    OpenPool,
    PoolFacts,
    SeedFacts,
    SeedTemplate,
)


class Files:
    """The agent works on the files; it knows how its host reaches the pool."""

    def open(self, pool: PoolSpec, via: Link) -> PoolFacts:
        """Reach it."""
        return via.ask(OpenPool(pool))

    def create(
        self, pool: PoolSpec, volume_uuid: str, size_bytes: int, base_uuid: str, via: Link
    ) -> DiskFacts:
        """Make a file."""
        return via.ask(CreateDisk(pool, volume_uuid, size_bytes, base_uuid))

    def delete(self, pool: PoolSpec, volume_uuid: str, via: Link) -> None:
        """Remove a file."""
        via.ask(DeleteDisk(pool, volume_uuid))

    def seed(self, pool: PoolSpec, template_uuid: str, store: StoreSpec, via: Link) -> SeedFacts:
        """Copy a template."""
        return via.ask(SeedTemplate(pool, template_uuid, store))

    def unseed(self, pool: PoolSpec, template_uuid: str, via: Link) -> None:
        """Remove a template."""
        via.ask(DeleteSeed(pool, template_uuid))
