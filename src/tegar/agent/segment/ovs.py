"""Open vSwitch, by its command line.  A segment is a VLAN tag on the ports of the label's bridge."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any

from tegar.agent import child
from tegar.kernel.errors import TegarError

_DEADLINE_S = 20


@dataclass(frozen=True)
class Port:
    """A port of a bridge: the interface, its number in OpenFlow, its VLAN (None: all) and whose NIC it is, if any."""

    name: str
    number: int
    tag: int | None
    nic_uuid: str


def vsctl(*args: str) -> child.Output:
    """Run ``ovs-vsctl``."""
    words = ("ovs-vsctl", f"--timeout={_DEADLINE_S}", *args)
    return child.run(words, timeout_s=_DEADLINE_S + 5, what="Open vSwitch")


def flood(bridge: str, port: str, *, on: bool) -> None:
    """Say whether a port gets frames that go to all ports; only the first OpenFlow has words for it."""
    words = ("mod-port", bridge, port, "flood" if on else "no-flood")
    _ofctl("OpenFlow10", *words).must(f"port {port}")


def replace_flows(bridge: str, text: str) -> None:
    """Obey lines of flows all at once, or none; when this returns no packet goes by the old ones."""
    _ofctl("OpenFlow14", "--bundle", "add-flows", bridge, "-", stdin=text).must(f"flows of {bridge}")
    appctl("revalidator/wait").must(f"flows of {bridge}")


def _ofctl(version: str, *args: str, stdin: str = "") -> child.Output:
    words = ("ovs-ofctl", "-O", version, f"--timeout={_DEADLINE_S}", *args)
    return child.run(words, timeout_s=_DEADLINE_S + 5, what="Open vSwitch", stdin=stdin)


def appctl(*args: str) -> child.Output:
    """Run ``ovs-appctl`` on the switch's daemon."""
    words = ("ovs-appctl", f"--timeout={_DEADLINE_S}", *args)
    return child.run(words, timeout_s=_DEADLINE_S + 5, what="Open vSwitch")


def works() -> bool:
    """Return whether Open vSwitch runs here."""
    if shutil.which("ovs-vsctl") is None:
        return False
    try:
        return child.run(("ovs-vsctl", "--timeout=3", "show"), timeout_s=5, what="Open vSwitch").code == 0
    except TegarError:
        return False


def datapath(bridge: str) -> str | None:
    """Return the kind of datapath of a bridge (``system``, ``netdev``), None when it is none of Open vSwitch."""
    if shutil.which("ovs-vsctl") is None:
        return None
    said = vsctl("--if-exists", "get", "Bridge", bridge, "datapath_type")
    words = said.out.strip().strip('"')
    if said.code != 0 or not said.out.strip():
        return None
    return words or "system"


def plug(bridge: str, device: str, tag: int) -> None:
    """Make an interface a port of a VLAN; one that is gets that VLAN."""
    vsctl(
        "--if-exists", "del-port", device, "--", "add-port", bridge, device, f"tag={tag}", "vlan_mode=access"
    ).must(f"port {device}")  # fmt: skip


def unplug(device: str) -> None:
    """Take a port away; one that is gone is no error."""
    vsctl("--if-exists", "del-port", device).must(f"port {device}")


def ports(bridge: str) -> tuple[Port, ...]:
    """Return the ports of a bridge that have a number, but not the bridge itself."""
    names = vsctl("list-ports", bridge).must(f"bridge {bridge}").out.split()
    tags = {row["name"]: row["tag"] for row in _rows("Port", "name,tag")}
    found = []
    for row in _rows("Interface", "name,ofport,external_ids"):
        number, name = row["ofport"], row["name"]
        if name in names and isinstance(number, int) and number > 0:
            tag = tags.get(name)
            ids = dict(row["external_ids"][1])
            found.append(Port(name, number, tag if isinstance(tag, int) else None, ids.get("iface-id", "")))
    return tuple(sorted(found, key=lambda port: port.number))


def mac_of(bridge: str) -> str:
    """Return the MAC address that the host itself has on a bridge."""
    return vsctl("get", "Interface", bridge, "mac_in_use").must(f"bridge {bridge}").out.strip().strip('"')


def _rows(table: str, columns: str) -> list[dict[str, Any]]:
    said = vsctl("--format=json", f"--columns={columns}", "list", table).must(f"Open vSwitch {table}")
    answer = json.loads(said.out)
    return [dict(zip(answer["headings"], row, strict=True)) for row in answer["data"]]
