"""What a segment is on a host, and how its parts are named.  Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tegar.kernel.errors import Refused
from tegar.model.spec import NetworkSpec

MAX_NAME = 15  # of a network interface
MAX_VLAN, MAX_VNI = 4094, (1 << 24) - 1
NIC_PREFIX = "tgn"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True)
class Segment:
    """What interfaces are plugged into.

    ``tag`` is None on a Linux bridge; on one of Open vSwitch it is the VLAN of the port, 0 for frames without.
    ``soft``: frames are switched in user space, so that senders must fill in checksums themselves.
    ``mtu`` is 0 where frames may be as long as usual.
    """

    bridge: str
    tag: int | None = None
    soft: bool = False
    mtu: int = 0


def check(network: NetworkSpec) -> None:
    """Refuse what is no segment."""
    vlan, vni = network.vlan, network.vni
    fits = (vlan is None or 1 <= vlan <= MAX_VLAN) and (vni is None or 1 <= vni <= MAX_VNI)
    if not _LABEL.fullmatch(network.bridge) or not fits or (vlan is not None and vni is not None):
        raise Refused(f"bridge {network.bridge!r}, VLAN {vlan}, VNI {vni} is no segment")


def vlan_bridge(label: str, vlan: int) -> str:
    """Return the name of the Linux bridge of a VLAN.

    Where label and VLAN do not fit, a hash stands for the label, for a plain cut would put two segments on one bridge.
    """
    name = f"brv-{label}-{vlan}"
    return name if len(name) <= MAX_NAME else f"brv-{_hash(label, 5)}-{vlan}"


def vxlan_bridge(label: str, vni: int) -> str:
    """Return the name of the Linux bridge of a VNI."""
    name = f"brx-{label}-{vni}"
    return name if len(name) <= MAX_NAME else f"brx-{_hash(label, 4)}-{vni:06x}"


def vxlan_group(vni: int) -> str:
    """Return the multicast group in which the hosts of a VNI find each other."""
    return f"239.{vni >> 16}.{vni >> 8 & 255}.{vni & 255}"


def nic_device(nic_uuid: str) -> str:
    """Return the name of a NIC's end on its host, the same on each host it moves to."""
    return f"{NIC_PREFIX}{nic_uuid.replace('-', '')[:12]}"


def _hash(label: str, length: int) -> str:
    return hashlib.sha256(label.encode()).hexdigest()[:length]
