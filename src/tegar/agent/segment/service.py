"""The Segments port: each label is looked at, and the segment cut as its bridge can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property

import structlog

from tegar.agent.segment import linux, ovs, vxlan
from tegar.agent.segment.links import Interface, interfaces, ip
from tegar.agent.segment.plan import Segment, check
from tegar.kernel.errors import AgentRefused
from tegar.model.spec import NetworkSpec

IDLE_S = 600.0  # who asked for a segment so long ago has plugged something in, or has failed
log = structlog.get_logger(__name__)


class HostSegments:
    """Segments on Linux bridges, on Open vSwitch and as VXLANs.

    ``on_plug`` is told the bridge of Open vSwitch that an interface was plugged into, once it is.
    """

    def __init__(self) -> None:
        self.on_plug: Callable[[str], None] = lambda _bridge: None
        self._lock = threading.Lock()
        self._asked_s: dict[str, float] = {}

    @cached_property
    def vlan_devices(self) -> bool:
        """Whether this kernel has 802.1Q devices."""
        return linux.vlan_devices_work()

    def abilities(self) -> tuple[str, ...]:
        """Return what was tried and works: ``vlan``, ``vxlan``, ``ovs``."""
        switched = ovs.works()
        tried = {"vlan": self.vlan_devices or switched, "vxlan": vxlan.vxlan_works(), "ovs": switched}
        return tuple(name for name, works in tried.items() if works)

    def ensure(self, network: NetworkSpec) -> Segment:
        """Build the segment, or find it."""
        check(network)
        with self._lock:
            segment = self._build(network, interfaces())
            self._asked_s[segment.bridge] = time.monotonic()
            return segment

    def _build(self, network: NetworkSpec, known: Mapping[str, Interface]) -> Segment:
        label = network.bridge
        found = known.get(label)
        if found is None:
            raise _no_bridge(label)
        if network.vni is not None:
            bridge, mtu = vxlan.build_vxlan(label, network.vni, known)
            return Segment(bridge, mtu=mtu)
        if found.kind == "bridge":
            return Segment(label if network.vlan is None else self._vlan(label, network.vlan, known))
        datapath = ovs.datapath(label)
        if datapath is None:
            raise _no_bridge(label)
        return Segment(label, network.vlan or 0, soft=datapath == "netdev")

    def _vlan(self, label: str, vlan: int, known: Mapping[str, Interface]) -> str:
        if not self.vlan_devices:
            raise AgentRefused(
                "The host",
                "segment",
                f"VLAN {vlan}: this kernel has no 802.1Q devices (module 8021q); make {label} a bridge of Open vSwitch",
            )
        return linux.build_vlan(label, vlan, known)

    def plug(self, segment: Segment, device: str) -> None:
        """Make an interface of this host a port of the segment, and bring it up."""
        if segment.tag is not None:
            ovs.plug(segment.bridge, device, segment.tag)
        else:
            ip("link", "set", device, "master", segment.bridge).must(f"port {device}")
        ip("link", "set", device, "up").must(f"port {device}")
        if segment.tag is not None:
            self.on_plug(segment.bridge)

    def unplug(self, device: str) -> None:
        """Take an interface out of whatever it is plugged into; the interface itself stays."""
        ip("link", "set", device, "nomaster")
        if ovs.works():
            ovs.unplug(device)

    def tidy(self) -> None:
        """Remove the bridges of segments that nobody is plugged into."""
        with self._lock:
            known, now_s = interfaces(), time.monotonic()
            for name in linux.idle(known):
                if now_s - self._asked_s.get(name, -IDLE_S) >= IDLE_S:
                    linux.remove(name, known)
                    self._asked_s.pop(name, None)
                    log.info("segment removed", bridge=name)


def _no_bridge(label: str) -> AgentRefused:
    return AgentRefused(
        "The host",
        "segment",
        f"there is no bridge {label}; make it: ip link add {label} type bridge, give it an uplink: "
        f"ip link set DEVICE master {label}, and bring both up; or: ovs-vsctl add-br {label}, "
        f"ovs-vsctl add-port {label} DEVICE",
    )
