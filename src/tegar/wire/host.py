"""The host itself."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask
from tegar.model.spec import PoolSpec


@dataclass(frozen=True)
class HostFacts:
    """What a host is.

    ``boot_id`` changes with every boot; ``uuid`` never; ``accel`` is ``kvm`` or ``tcg``;
    ``can`` names what was tried and works there (``vlan``, ``nfs-mount``, ``nfs-qemu`` …).
    """

    uuid: str
    name: str
    boot_id: str
    version: str
    hypervisor: str
    hypervisor_version: str
    accel: str
    cpus: int
    cpu_mhz: int
    memory_bytes: int
    migration_address: str
    can: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostLoad:
    """How busy a host is: ``cpu_used`` from 0 to 1 over the last interval; ``stalled``: pools that hang for it."""

    cpu_used: float
    memory_used_bytes: int
    stalled: tuple[str, ...] = ()


@dataclass(frozen=True)
class GetFacts(Ask[HostFacts]):
    """Tell what you are."""


@dataclass(frozen=True)
class GetLoad(Ask[HostLoad]):
    """Tell how busy you are; ``pools`` are those that guests there use: see that they answer."""

    pools: tuple[PoolSpec, ...] = ()


@dataclass(frozen=True)
class SetReportTo(Ask[HostLoad]):
    """Post what happens on the host by itself (a guest stopped) to these servers, any of them.

    ``urls`` are base addresses; ``secret`` goes with each report, so that servers know whose it is.
    """

    host_uuid: str
    urls: tuple[str, ...]
    secret: str
