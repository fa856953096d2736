"""Pools and disks on primary storage."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask
from tegar.model.spec import PoolSpec, StoreSpec


@dataclass(frozen=True)
class PoolFacts:
    """What the pool's file system says."""

    capacity_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class DiskFacts:
    """A disk file: its virtual size and what it takes on storage."""

    volume_uuid: str
    size_bytes: int
    physical_bytes: int


@dataclass(frozen=True)
class DiskGone:
    """The file is not there any more."""


@dataclass(frozen=True)
class SeedFacts:
    """A template cached on a pool."""

    size_bytes: int
    physical_bytes: int


@dataclass(frozen=True)
class OpenPool(Ask[PoolFacts]):
    """Reach the pool (mount it where that is how), check that it can be written, report its size."""

    pool: PoolSpec


@dataclass(frozen=True)
class CreateDisk(Ask[DiskFacts]):
    """Make a disk, or report the one that exists.

    With ``base_uuid``, an overlay on the template cached on the same pool; without, an empty disk.
    """

    pool: PoolSpec
    volume_uuid: str
    size_bytes: int
    base_uuid: str = ""


@dataclass(frozen=True)
class DeleteDisk(Ask[DiskGone]):
    """Remove a disk and all it holds; already gone is success."""

    pool: PoolSpec
    volume_uuid: str


@dataclass(frozen=True)
class SeedTemplate(Ask[SeedFacts]):
    """Copy a template from secondary storage to the pool once, whole or not at all.

    Long: answers NotYet while it runs; asking again joins the copy under way.
    """

    pool: PoolSpec
    template_uuid: str
    store: StoreSpec


@dataclass(frozen=True)
class DeleteSeed(Ask[DiskGone]):
    """Remove a cached template from the pool."""

    pool: PoolSpec
    template_uuid: str
