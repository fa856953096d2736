"""Segments on Linux bridges.

The operator makes the bridge of a traffic label, with its uplink.  A whole segment is that bridge;
a VLAN is an 802.1Q device on the uplink in a bridge of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from tegar.agent.segment.links import Interface, ip
from tegar.agent.segment.plan import MAX_NAME, NIC_PREFIX, vlan_bridge
from tegar.kernel.errors import AgentRefused

OURS = ("brv-", "brx-")
_INNER = ("vnet", "tap", "tgr", NIC_PREFIX)  # of guests and routers


def vlan_devices_work() -> bool:
    """Return whether this kernel has 802.1Q devices, found out by making one."""
    end = f"tgp{secrets.token_hex(4)}"
    try:
        return (
            ip("link", "add", end, "type", "veth", "peer", "name", f"{end}x").code == 0
            and ip("link", "add", "link", end, "name", f"{end}v", "type", "vlan", "id", "1").code == 0
        )
    finally:
        ip("link", "del", end)


def build_vlan(label: str, vlan: int, known: Mapping[str, Interface]) -> str:
    """Cut a VLAN out of the label's uplink and return its bridge; one that is there stays."""
    name = vlan_bridge(label, vlan)
    if name in known:
        return name
    uplink = _uplink(label, known)
    device = f"v{name.removeprefix('brv-')}"[:MAX_NAME]
    if device not in known:
        ip("link", "add", "link", uplink, "name", device, "type", "vlan", "id", str(vlan)).must(
            f"VLAN {vlan}"
        )
    bridge_with(name, device)
    return name


def bridge_with(name: str, device: str) -> None:
    """Make a bridge with a device as its way out, or nothing and no device."""
    try:
        ip("link", "add", "name", name, "type", "bridge").must(f"bridge {name}")
        for args in (
            ("set", name, "addrgenmode", "none"),
            ("set", device, "addrgenmode", "none"),
            ("set", device, "master", name),
            ("set", device, "up"),
            ("set", name, "up"),
        ):
            ip("link", *args).must(f"bridge {name}")
    except AgentRefused:
        ip("link", "del", name)
        ip("link", "del", device)
        raise


def remove(name: str, known: Mapping[str, Interface]) -> None:
    """Take a bridge of ours away, with its way out."""
    ip("link", "del", name)
    for port in known.values():
        if port.master == name and port.kind in ("vlan", "vxlan"):
            ip("link", "del", port.name)


def idle(known: Mapping[str, Interface]) -> tuple[str, ...]:
    """Return the bridges of ours that nobody is plugged into."""
    used = {i.master for i in known.values() if i.master and i.kind not in ("vlan", "vxlan")}
    return tuple(n for n, i in known.items() if i.kind == "bridge" and n.startswith(OURS) and n not in used)


def _uplink(bridge: str, known: Mapping[str, Interface]) -> str:
    """Return the one port of the bridge that leads out: not a guest's tap, a router's veth or a VLAN of ours."""
    ports = [i.name for i in known.values() if i.master == bridge]
    out = [name for name in ports if not name.startswith(_INNER)]
    if len(out) != 1:
        raise AgentRefused(
            "The host", "segment", f"bridge {bridge} has {len(out)} uplinks ({', '.join(out)}), not one"
        )
    return out[0]
