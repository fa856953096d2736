"""What to build on a host: plain records that drivers and agents share.  No row ever crosses the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PoolKind(StrEnum):
    """How a host reaches a primary storage pool."""

    NFS = "NetworkFilesystem"
    SHARED = "SharedMountPoint"
    LOCAL = "Filesystem"


@dataclass(frozen=True)
class PoolSpec:
    """A primary storage pool.  ``server`` is empty for a mounted directory; ``path`` is absolute."""

    uuid: str
    kind: PoolKind
    path: str
    server: str = ""


@dataclass(frozen=True)
class StoreSpec:
    """A secondary storage.  ``url`` is ``nfs://server/path`` or ``file:///path``."""

    uuid: str
    url: str


@dataclass(frozen=True)
class DiskSpec:
    """A disk of a VM: a qcow2 file named by the volume's uuid in a pool.

    ``device_id`` orders the disks: 0 is the root disk; the guest sees vda, vdb, … in this order.
    """

    volume_uuid: str
    pool: PoolSpec
    size_bytes: int
    device_id: int


@dataclass(frozen=True)
class NetworkSpec:
    """An L2 segment on a host: the bridge of the traffic label, cut by a VLAN id, a VXLAN id, or whole (both None).

    The bridge is a Linux bridge or one of Open vSwitch, whatever the operator made.
    """

    uuid: str
    bridge: str
    vlan: int | None = None
    vni: int | None = None


@dataclass(frozen=True)
class NicSpec:
    """A network interface of a VM.  ``mac`` is lower case with colons; ``ip`` is dotted IPv4."""

    nic_uuid: str
    network: NetworkSpec
    mac: str
    ip: str
    device_id: int


@dataclass(frozen=True)
class DomainSpec:
    """One virtual machine as a hypervisor runs it.

    ``name`` is the internal name (``i-2-7-VM``); ``cpu_mhz`` is each CPU's share, not a cap.
    """

    uuid: str
    name: str
    cpus: int
    cpu_mhz: int
    memory_bytes: int
    disks: tuple[DiskSpec, ...]
    nics: tuple[NicSpec, ...]
