"""L2 segments on Linux bridges.

The operator makes the bridge of a traffic label, with its uplink.  A whole segment is that bridge;
a VLAN is an 802.1Q device on the uplink in a bridge of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass

from tegar.agent import child
from tegar.kernel.errors import AgentRefused, Refused
from tegar.model.spec import NetworkSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MAX_NAME = 15  # of a network interface


def segment_bridge(network: NetworkSpec) -> str:
    """Return the name of the bridge of a segment.

    Names have 15 characters; where label and VLAN do not fit, a hash stands for the label, for a
    plain cut would put two segments on one bridge.
    """
    if network.vlan is None:
        return network.bridge
    name = f"brv-{network.bridge}-{network.vlan}"
    if len(name) <= MAX_NAME:
        return name
    return f"brv-{hashlib.sha256(network.bridge.encode()).hexdigest()[:5]}-{network.vlan}"


@dataclass(frozen=True)
class Interface:
    """A network interface: its kind (``bridge``, ``veth``, empty for hardware) and its bridge, if any."""

    name: str
    kind: str
    master: str


def interfaces() -> dict[str, Interface]:
    """Return all interfaces of the host by name."""
    said = ip("-json", "-details", "link", "show").must("ip link")
    found = {}
    for row in json.loads(said.out):
        kind = row.get("linkinfo", {}).get("info_kind", "")
        found[row["ifname"]] = Interface(row["ifname"], kind, row.get("master", ""))
    return found


def ip(*args: str) -> child.Output:
    """Run ``ip``."""
    return child.run(("ip", *args), timeout_s=20, what="network interfaces")


class Bridges:
    """The Segments port."""

    def __init__(self) -> None:
        self._vlan_works: bool | None = None

    def ensure(self, network: NetworkSpec) -> str:
        """Build the segment and return its bridge."""
        if not _NAME.fullmatch(network.bridge) or not (network.vlan is None or 1 <= network.vlan <= 4094):
            raise Refused(f"bridge {network.bridge!r}, VLAN {network.vlan} is no segment")
        known = interfaces()
        label = known.get(network.bridge)
        if label is None or label.kind != "bridge":
            raise AgentRefused(
                "The host",
                "segment",
                f"there is no bridge {network.bridge}; make it: ip link add {network.bridge} type bridge, "
                f"give it an uplink: ip link set DEVICE master {network.bridge}, and bring both up",
            )
        name = segment_bridge(network)
        if network.vlan is not None and name not in known:
            self._build(network.bridge, network.vlan, name, known)
        return name

    def vlan_works(self) -> bool:
        """Return whether this kernel has 802.1Q devices, found out once by making one."""
        if self._vlan_works is None:
            end = f"tgp{secrets.token_hex(4)}"
            self._vlan_works = (
                ip("link", "add", end, "type", "veth", "peer", "name", f"{end}x").code == 0
                and ip("link", "add", "link", end, "name", f"{end}v", "type", "vlan", "id", "1").code == 0
            )
            ip("link", "del", end)
        return self._vlan_works

    def _build(self, bridge: str, vlan: int, name: str, known: dict[str, Interface]) -> None:
        if not self.vlan_works():
            raise AgentRefused(
                "The host", "segment", f"VLAN {vlan}: this kernel has no 802.1Q devices (module 8021q)"
            )
        uplink = _uplink(bridge, known)
        device = f"v{name.removeprefix('brv-')}"[:MAX_NAME]
        if device not in known:
            ip("link", "add", "link", uplink, "name", device, "type", "vlan", "id", str(vlan)).must(
                f"VLAN {vlan}"
            )
        try:
            ip("link", "add", "name", name, "type", "bridge").must(f"bridge {name}")
            for args in (("set", device, "master", name), ("set", device, "up"), ("set", name, "up")):
                ip("link", *args).must(f"bridge {name}")
        except AgentRefused:
            ip("link", "del", name)
            ip("link", "del", device)
            raise


def _uplink(bridge: str, known: dict[str, Interface]) -> str:
    """Return the one port of the bridge that leads out: not a guest's tap, a router's veth or a VLAN of ours."""
    ports = [i.name for i in known.values() if i.master == bridge]
    out = [name for name in ports if not name.startswith(("vnet", "tap", "tgr"))]
    if len(out) != 1:
        raise AgentRefused(
            "The host", "segment", f"bridge {bridge} has {len(out)} uplinks ({', '.join(out)}), not one"
        )
    return out[0]
