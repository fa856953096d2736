"""What primary storage does for sagas."""

from __future__ import annotations

from typing import Protocol

from tegar.kernel.wire import Link
from tegar.model.spec import PoolSpec, StoreSpec
from tegar.wire.disk import DiskFacts, PoolFacts, SeedFacts


class PrimaryStorage(Protocol):
    """A place where volumes live while VMs use them.

    Every call is safe to repeat, and every delete of something gone is a success.  Calls take
    plain specs and a link to one host that reaches the pool.
    """

    def open(self, pool: PoolSpec, via: Link) -> PoolFacts:
        """Reach the pool from that host and report its size."""
        ...

    def create(
        self, pool: PoolSpec, volume_uuid: str, size_bytes: int, base_uuid: str, via: Link
    ) -> DiskFacts:
        """Make a volume: empty, or on a template that the pool has (``base_uuid`` not empty)."""
        ...

    def delete(self, pool: PoolSpec, volume_uuid: str, via: Link) -> None:
        """Remove a volume and all it holds."""
        ...

    def seed(self, pool: PoolSpec, template_uuid: str, store: StoreSpec, via: Link) -> SeedFacts:
        """Cache a template on the pool, once; NotYet while the copy runs."""
        ...

    def unseed(self, pool: PoolSpec, template_uuid: str, via: Link) -> None:
        """Remove a cached template."""
        ...
