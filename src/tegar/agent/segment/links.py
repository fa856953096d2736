"""The host's network interfaces, by ``ip``."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tegar.agent import child


@dataclass(frozen=True)
class Interface:
    """A network interface: its kind (``bridge``, ``veth``, empty for hardware) and its bridge, if any."""

    name: str
    kind: str
    master: str
    mtu: int


def interfaces() -> dict[str, Interface]:
    """Return all interfaces of the host by name."""
    said = ip("-json", "-details", "link", "show").must("ip link")
    found = {}
    for row in json.loads(said.out):
        kind = row.get("linkinfo", {}).get("info_kind", "")
        found[row["ifname"]] = Interface(row["ifname"], kind, row.get("master", ""), int(row.get("mtu", 0)))
    return found


def ip(*args: str) -> child.Output:
    """Run ``ip``."""
    return child.run(("ip", *args), timeout_s=20, what="network interfaces")


def address_of(device: str) -> str:
    """Return the first IPv4 address of an interface, empty when it has none."""
    said = ip("-json", "-4", "address", "show", "dev", device)
    rows = json.loads(said.out) if said.code == 0 and said.out.strip() else []
    found = [str(info["local"]) for row in rows for info in row.get("addr_info", ()) if "local" in info]
    return found[0] if found else ""
