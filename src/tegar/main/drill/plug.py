"""A guest that is a namespace, on a host of the lab: ``python -m tegar.main.drill.plug BRIDGE VLAN MAC ADDRESS GATEWAY``.

Its NIC is plugged into the segment as a router's is; one that was there before is made anew.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from tegar.agent import child
from tegar.agent.segment.links import ip
from tegar.agent.segment.service import HostSegments
from tegar.model.spec import NetworkSpec

SPACE, END, NIC = "drill-guest", "drill-guest0", "eth0"


def plug(bridge: str, vlan: int, mac: str, address: str, gateway: str) -> None:
    """Make the namespace with an address on the segment, and tell the segment where it is."""
    segments = HostSegments()
    segment = segments.ensure(NetworkSpec("", bridge, vlan))
    unplug()
    ip("netns", "add", SPACE).must("guest")
    ip(
        "link", "add", END, "type", "veth", "peer", "name", NIC, "address", mac, "netns", SPACE,
    ).must("guest")  # fmt: skip
    segments.plug(segment, END)
    inside = ("nsenter", f"--net=/run/netns/{SPACE}", "--")
    child.run((*inside, "ethtool", "-K", NIC, "tx", "off"), timeout_s=10, what="guest")
    for words in (
        ("link", "set", "lo", "up"), ("addr", "add", address, "dev", NIC), ("link", "set", NIC, "up"),
        ("route", "add", "default", "via", gateway),
    ):  # fmt: skip
        ip("-n", SPACE, *words).must("guest")
    announce = child.python("tegar.agent.router.announce", NIC, address.partition("/")[0])
    child.run((*inside, *announce), timeout_s=10, what="guest")


def unplug() -> None:
    """Take it away; one that is not there is no error."""
    HostSegments().unplug(END)
    ip("link", "del", END)
    for pid in ip("netns", "pids", SPACE).out.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    ip("netns", "del", SPACE)


def enter(*argv: str) -> tuple[str, ...]:
    """Return the words that run a program in it, as long as their input is open."""
    return ("ip", "netns", "exec", SPACE, *argv)


if __name__ == "__main__":
    if sys.argv[1:] == ["off"]:
        unplug()
    else:
        os.umask(0o022)
        name, tag, *rest = sys.argv[1:]
        plug(name, int(tag), *rest)
