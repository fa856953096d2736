"""What the scheduler is shown."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.model.affinity import Kind


@dataclass(frozen=True)
class PoolView:
    """A pool that a host reaches.  ``free_bytes`` counts what may still be promised."""

    id: int
    name: str
    up: bool
    free_bytes: int
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HostView:
    """A host.  Free numbers already contain the over-commit of its cluster."""

    id: int
    name: str
    hypervisor: str
    up: bool
    enabled: bool
    cluster_enabled: bool
    core_mhz: int
    cores: int
    free_cpu_mhz: int
    free_memory_bytes: int
    memory_bytes: int
    tags: frozenset[str] = frozenset()
    pools: tuple[PoolView, ...] = ()
    cluster_id: int = 0
    quarantined: bool = False


@dataclass(frozen=True)
class DiskWant:
    """A disk the VM needs: on that pool, or on any with room and tags."""

    volume_id: int
    size_bytes: int
    pool_id: int | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Mate:
    """Another VM of a group, by name, and a host where it holds room: two mates while it moves."""

    vm: str
    host_id: int


@dataclass(frozen=True)
class GroupView:
    """An affinity group of the VM, and where its other VMs are."""

    name: str
    kind: Kind
    mates: tuple[Mate, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a VM needs of a host.  ``cpu_mhz`` is for each CPU; ``shaky``: one in quarantine will do as well."""

    cpus: int
    cpu_mhz: int
    memory_bytes: int
    hypervisor: str
    host_tags: frozenset[str] = frozenset()
    only_host_id: int | None = None
    not_host_id: int | None = None
    only_cluster_id: int | None = None
    last_host_id: int | None = None
    disks: tuple[DiskWant, ...] = ()
    groups: tuple[GroupView, ...] = ()
    shaky: bool = False


@dataclass(frozen=True)
class Placement:
    """A host, and the pool of each disk by volume id."""

    host_id: int
    pools: dict[int, int]
