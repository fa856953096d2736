"""The network namespace of a router: made, found, taken away."""

from __future__ import annotations

from pathlib import Path

from tegar.agent import child
from tegar.agent.host import Segments
from tegar.agent.places import mounted
from tegar.agent.router.render import LINK, METADATA_IP
from tegar.agent.segment.links import interfaces, ip
from tegar.model.router import RouterSpec


class Namespace:
    """``tgr-<start of the router's uuid>``, with a veth pair into the bridge of the segment."""

    def __init__(self, uuid: str) -> None:
        self.name = f"tgr-{uuid[:8]}"
        self._port = f"tgr{uuid[:8]}"

    def there(self) -> bool:
        """Return whether it exists; a name left over from before the host's last boot does not count."""
        return f"/run/netns/{self.name}" in mounted()

    def enter(self, *argv: str) -> tuple[str, ...]:
        """Return the command that runs a program in the namespace."""
        return ("nsenter", f"--net=/run/netns/{self.name}", "--", *argv)

    def run(self, *argv: str, what: str, stdin: str = "") -> child.Output:
        """Run a program in the namespace."""
        return child.run(self.enter(*argv), timeout_s=20, what=what, stdin=stdin)

    def make(self, spec: RouterSpec, segments: Segments) -> None:
        """Make the namespace with its NIC and addresses, or complete a half-made one."""
        what, net = f"router {spec.uuid}", spec.subnets[0]
        if not self.there():
            ip("netns", "del", self.name)
            ip("netns", "add", self.name).must(what)
        if self._port not in interfaces():
            ip(
                "link", "add", self._port, "type", "veth",
                "peer", "name", LINK, "address", net.mac, "netns", self.name,
            ).must(what)  # fmt: skip
        segment = segments.ensure(net.network)
        if segment.soft:
            self.run("ethtool", "-K", LINK, "tx", "off", what=what).must(what)
        if segment.mtu:
            ip("link", "set", self._port, "mtu", str(segment.mtu)).must(what)
            ip("-n", self.name, "link", "set", LINK, "mtu", str(segment.mtu)).must(what)
        segments.plug(segment, self._port)
        for args in (
            ("link", "set", "lo", "up"),
            ("link", "set", LINK, "up"),
            ("addr", "replace", f"{net.ip}/{net.prefix_len}", "dev", LINK),
            ("addr", "replace", f"{METADATA_IP}/32", "dev", LINK),
        ):
            ip("-n", self.name, *args).must(what)
        if net.gateway and net.gateway != net.ip:
            ip("-n", self.name, "route", "replace", "default", "via", net.gateway).must(what)

    def remove(self, segments: Segments) -> None:
        """Take it away; the kernel ends what is in it with the last process."""
        segments.unplug(self._port)
        ip("link", "del", self._port)
        if Path(f"/run/netns/{self.name}").exists():
            ip("netns", "del", self.name)
