"""Segments as VXLANs: a device on the label's address in a Linux bridge of its own.

Hosts of a VNI find each other in a multicast group made from it, so nobody keeps lists of peers; the network between
the hosts must carry multicast.  The label may be any interface with an address: a bridge of either kind, or a card.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from tegar.agent.segment.links import Interface, address_of, ip
from tegar.agent.segment.linux import bridge_with
from tegar.agent.segment.plan import vxlan_bridge, vxlan_group
from tegar.kernel.errors import AgentRefused

PORT = 4789
OVERHEAD_BYTES = 50
USUAL_MTU = 1500
_HOPS = 10


def vxlan_works() -> bool:
    """Return whether this kernel has VXLAN, found out by making one."""
    device = f"tgp{secrets.token_hex(4)}"
    made = ip("link", "add", device, "type", "vxlan", "id", "1", "dstport", str(PORT), "local", "127.0.0.1")
    ip("link", "del", device)
    return made.code == 0


def build_vxlan(label: str, vni: int, known: Mapping[str, Interface]) -> tuple[str, int]:
    """Build the segment; return its bridge and, where frames must be shorter than usual, their length."""
    name = vxlan_bridge(label, vni)
    room = known[label].mtu - OVERHEAD_BYTES
    mtu = 0 if room >= USUAL_MTU else room
    if name in known:
        return name, mtu
    local = address_of(label)
    if not local:
        raise AgentRefused("The host", "segment", f"VNI {vni}: {label} has no IPv4 address to send from")
    device = f"vx-{name.removeprefix('brx-')}"
    if device not in known:
        ip(
            "link", "add", device, "type", "vxlan", "id", str(vni), "dstport", str(PORT), "ttl", str(_HOPS),
            "group", vxlan_group(vni), "dev", label, "local", local,
        ).must(f"VNI {vni}")  # fmt: skip
    bridge_with(name, device)
    return name, mtu
