"""The network namespace of a router: made, its NICs brought to what is wanted, taken away."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tegar.agent import child
from tegar.agent.host import Segments
from tegar.agent.places import mounted
from tegar.agent.router import links
from tegar.agent.router.links import Link
from tegar.agent.segment.links import interfaces, ip
from tegar.model.router import RouterSpec

ROUTE_PROTOCOL = "84"  # marks the routes that are ours
MAIN_FIRST, MAIN_BUT_DEFAULT = 100, "lookup main suppress_prefixlength 0"
STEERED = 1000  # rule and table of the n-th further uplink: this and n
OUR_RULES = frozenset({MAIN_FIRST, *range(STEERED, STEERED + 256)})
SETTINGS = (
    ("ipv4/ip_forward", 1),
    ("ipv4/ip_nonlocal_bind", 1),  # the backup of a pair listens at addresses it does not have yet
    ("ipv4/conf/all/arp_ignore", 1),  # each NIC answers for its own addresses only
    ("ipv4/conf/all/arp_announce", 2),
    ("ipv4/conf/all/promote_secondaries", 1),  # an address that goes takes no others of its network with it
    ("ipv4/conf/all/send_redirects", 0),
    ("ipv4/conf/default/send_redirects", 0),
    ("ipv4/conf/all/accept_redirects", 0),
    ("ipv4/conf/default/accept_redirects", 0),
    ("ipv4/conf/all/rp_filter", 0),  # the ruleset knows better what may come from where
    ("ipv6/conf/default/disable_ipv6", 1),
    ("netfilter/nf_conntrack_tcp_be_liberal", 1),  # flows that another router began live on here
)


@dataclass(frozen=True)
class Nic:
    """A NIC that is there."""

    mac: str
    addresses: frozenset[str]


class Namespace:
    """``tgr-<start of the router's uuid>``, with a veth pair into the segment of each network."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self.name = f"tgr-{uuid[:8]}"

    def there(self) -> bool:
        """Return whether it exists; a name left over from before the host's last boot does not count."""
        return f"/run/netns/{self.name}" in mounted()

    def enter(self, *argv: str) -> tuple[str, ...]:
        """Return the command that runs a program in the namespace."""
        return ("nsenter", f"--net=/run/netns/{self.name}", "--", *argv)

    def run(self, *argv: str, what: str, stdin: str = "") -> child.Output:
        """Run a program in the namespace."""
        return child.run(self.enter(*argv), timeout_s=20, what=what, stdin=stdin)

    def plugged(self, spec: RouterSpec) -> bool:
        """Return whether the host's ends of all NICs are there: a glance that costs no program."""
        ends = [links.host_end(self._uuid, link.name) for link in links.links(spec)]
        return all(Path(f"/sys/class/net/{end}").exists() for end in ends)

    def make(self, spec: RouterSpec, segments: Segments) -> tuple[tuple[str, str], ...]:
        """Make the namespace with all NICs, addresses and routes that are wanted, or complete it.

        What is there and not wanted stays until ``trim``, for the rules in force may still need it.

        Args:
            spec: the whole desired state.
            segments: where NICs are plugged in.

        Returns:
            The addresses that were not there before, or had another MAC, each with its NIC.
        """
        if not self.there():
            ip("netns", "del", self.name)
            ip("netns", "add", self.name).must(self._what)
            self.configure()
        wanted, there, known = links.links(spec), self._nics(), interfaces()
        for link in wanted:
            segment, end = segments.ensure(link.network), links.host_end(self._uuid, link.name)
            nic = there.get(link.name)
            if nic is None or end not in known:
                there.pop(link.name, None)
                # an end of that name, of a namespace that is not gone yet, goes, and was plugged where it is said to be
                known.pop(end, None)
                self._add(link, end)
                if segment.soft:
                    self.run("ethtool", "-K", link.name, "tx", "off", what=self._what).must(self._what)
                if segment.mtu:
                    ip("link", "set", end, "mtu", str(segment.mtu)).must(self._what)
                    self._ip("link", "set", link.name, "mtu", str(segment.mtu)).must(self._what)
            if end not in known or known[end].master != segment.bridge:
                segments.plug(segment, end)
        added = [(link, ip) for link in wanted for ip in link.addresses if ip not in _held(there, link.name)]
        moved = [link for link in wanted if link.name in there and there[link.name].mac != link.mac]
        self._batch(
            (
                *(f"link set {link.name} address {link.mac}" for link in moved),
                *(row for link in wanted if link in moved or link.name not in there for row in _raise(link)),
                *(f"addr replace {address} dev {link.name}" for link, address in added),
                *(_way(route) for route in links.routes(spec)),
                *self._steer(spec),
            )
        )
        added += [
            (link, ip) for link in moved for ip in _held(there, link.name) & {*link.addresses, *link.floating}
        ]
        return tuple((link.name, address.partition("/")[0]) for link, address in added)

    def _steer(self, spec: RouterSpec) -> Iterable[str]:
        """Return what makes packets with a mark leave by the uplink of that number."""
        ways = links.steered(spec)
        wanted = {MAIN_FIRST, *(STEERED + n for n in range(1, len(ways) + 1))} if ways else set()
        shown = self._ip("-json", "rule", "show").must(self._what)
        there = {row["priority"] for row in json.loads(shown.out)} & OUR_RULES
        yield from (f"rule del pref {pref}" for pref in sorted(there - wanted))
        for pref in sorted(wanted - there):
            way = f"fwmark {pref - STEERED} lookup {pref}" if pref != MAIN_FIRST else MAIN_BUT_DEFAULT
            yield f"rule add pref {pref} {way}"
        for n, uplink in enumerate(ways, start=1):
            to = f"via {uplink.gateway} dev {links.uplink_link(uplink)} onlink table {STEERED + n}"
            yield f"route replace default {to} proto {ROUTE_PROTOCOL}"

    def trim(self, spec: RouterSpec, segments: Segments) -> None:
        """Take away NICs, addresses and routes that are not wanted."""
        wanted = {link.name: set(link.addresses) for link in links.links(spec)}
        rows = []
        for name, nic in self._nics().items():
            if name not in wanted:
                _pull(segments, links.host_end(self._uuid, name))
            elif not links.is_pair(spec):  # keepalived takes its own away, and steps down when another does
                rows += [f"addr del {address} dev {name}" for address in nic.addresses - wanted[name]]
        keep = {(route.cidr, route.via) for route in links.routes(spec)}
        shown = self._ip("-json", "route", "show", "proto", ROUTE_PROTOCOL).must(self._what)
        for row in json.loads(shown.out or "[]"):
            cidr = _cidr(row["dst"])
            if (cidr, row.get("gateway", "")) not in keep:
                rows.append(f"route del {cidr} via {row.get('gateway', '')} proto {ROUTE_PROTOCOL}")
        self._batch(rows)

    def give_up(self, spec: RouterSpec) -> None:
        """Take away the addresses that only the primary of a pair has."""
        there = self._nics()
        lost = [(link, ip) for link in links.links(spec) for ip in _held(there, link.name) & {*link.floating}]
        self._batch(f"addr del {address} dev {link.name}" for link, address in lost)

    def remove(self, segments: Segments) -> None:
        """Take it away; the kernel ends what is in it with the last process."""
        if self.there():
            for name in self._nics():
                _pull(segments, links.host_end(self._uuid, name))
        if Path(f"/run/netns/{self.name}").exists():
            ip("netns", "del", self.name)

    @property
    def _what(self) -> str:
        return f"router {self._uuid}"

    def _ip(self, *args: str) -> child.Output:
        return ip("-n", self.name, *args)

    def configure(self) -> None:
        """Let the kernel do as routers need it to."""
        rows = "".join(f"echo {value} > /proc/sys/net/{name}\n" for name, value in SETTINGS)
        self.run("sh", "-c", rows, what=self._what).must(self._what)
        self._ip("link", "set", "lo", "up").must(self._what)

    def _nics(self) -> dict[str, Nic]:
        """Return the NICs of ours in the namespace."""
        shown = self._ip("-json", "addr", "show").must(self._what)
        rows = json.loads(shown.out or "[]")
        ours = [row for row in rows if row.get("ifname", "").startswith((links.GUEST, links.PUBLIC))]
        return {row["ifname"]: Nic(row.get("address", ""), _addresses(row)) for row in ours}

    def _add(self, link: Link, end: str) -> None:
        ip("link", "del", end)
        ip(
            "link", "add", end, "type", "veth",
            "peer", "name", link.name, "address", link.mac, "netns", self.name,
        ).must(self._what)  # fmt: skip

    def _batch(self, rows: Iterable[str]) -> None:
        text = "".join(f"{row}\n" for row in rows)
        if text:
            argv = ("ip", "-n", self.name, "-batch", "-")
            child.run(argv, timeout_s=20, what=self._what, stdin=text).must(self._what)


def _pull(segments: Segments, end: str) -> None:
    segments.unplug(end)
    ip("link", "del", end)


def _held(there: dict[str, Nic], name: str) -> frozenset[str]:
    return there[name].addresses if name in there else frozenset()


def _addresses(row: dict[str, Any]) -> frozenset[str]:
    found = [a for a in row.get("addr_info", ()) if a.get("family") == "inet"]
    return frozenset(f"{a['local']}/{a['prefixlen']}" for a in found)


def _raise(link: Link) -> Iterable[str]:
    yield f"link set {link.name} up"
    for address, mac in link.neighbours:
        yield f"neigh replace {address} lladdr {mac} dev {link.name} nud permanent"


def _way(route: links.Route) -> str:
    return f"route replace {route.cidr} via {route.via} dev {route.link} onlink proto {ROUTE_PROTOCOL}"


def _cidr(destination: str) -> str:
    """Return a destination as we write it: ``ip`` says ``default`` and leaves out a length of 32."""
    if destination == "default":
        return "0.0.0.0/0"
    return destination if "/" in destination else f"{destination}/32"
