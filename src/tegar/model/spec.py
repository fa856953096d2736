"""What to build on a host: plain records that drivers and agents share.  No row ever crosses the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tegar.model.rule import Match


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
class SecurityRules:
    """The rules of all security groups of a NIC; groups among sources and destinations are CIDRs already.

    Nothing comes in but what ``ingress`` names; all goes out, or only what ``egress`` names when it names anything.
    Answers to what was let through pass, both ways.
    """

    ingress: tuple[Match, ...] = ()
    egress: tuple[Match, ...] = ()


@dataclass(frozen=True)
class NicFilter:
    """What a NIC may send and receive, enforced where it is plugged in.

    ``ips`` are secondary addresses, besides the NIC's own.  ``spoof_guard``: it sends only as itself, and serves no
    DHCP and no IPv6 routes.  ``groups`` None: it is in no security group.  ``version`` grows with every change; a host
    that has a newer one keeps it.
    """

    ips: tuple[str, ...] = ()
    spoof_guard: bool = True
    groups: SecurityRules | None = None
    version: int = 0


@dataclass(frozen=True)
class NicSpec:
    """A network interface of a VM.

    ``mac`` is lower case with colons; ``ip`` is dotted IPv4, empty where the cloud gives no addresses.  ``filter``
    None: nothing is filtered.
    """

    nic_uuid: str
    network: NetworkSpec
    mac: str
    ip: str
    device_id: int
    filter: NicFilter | None = NicFilter()


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
