"""Flows that a translation no longer in force still carries: found and ended, so that packets obey.

The ruleset judges old flows anew by itself; but where a flow's packets go was decided when it began.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tegar.agent.router import links
from tegar.agent.router.namespace import Namespace
from tegar.model.router import RouterSpec
from tegar.model.rule import PortForward

_FIELD = re.compile(r"(src|dst|sport|dport)=(\S+)")


@dataclass(frozen=True)
class Flow:
    """A flow as it began: from whom, to which address and port."""

    protocol: str
    source: str
    destination: str
    source_port: int
    port: int


def end_revoked(space: Namespace, old: RouterSpec | None, new: RouterSpec) -> None:
    """End the flows of translations that are not wanted any more."""
    if old is None:
        return
    for ip in _addresses_lost(old, new):
        for way in ("--orig-dst", "--reply-dst"):
            space.run("conntrack", "-D", way, ip, what="conntrack")
    for (ip, protocol), spans in _ports_lost(old, new).items():
        shown = space.run("conntrack", "-L", "-p", protocol, "--orig-dst", ip, what="conntrack")
        for flow in parse(shown.out):
            if any(first <= flow.port <= last for first, last in spans):
                space.run(*_ending(flow), what="conntrack")


def _addresses_lost(old: RouterSpec, new: RouterSpec) -> list[str]:
    """Return public addresses that are gone or stand for another guest."""
    gone = set(links.public_ips(old)) - set(links.public_ips(new))
    moved = {it.ip for it in set(old.static_nats) - set(new.static_nats)}
    return sorted(gone | moved)


def _ports_lost(old: RouterSpec, new: RouterSpec) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Return the ports that led elsewhere before, by address and protocol."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for it in sorted(set(old.forwards) - set(new.forwards), key=_order):
        found.setdefault((it.ip, str(it.protocol)), []).append((it.first_port, it.last_port))
    still = {it.uuid: it for it in new.balancers}
    for before in old.balancers:
        after = still.get(before.uuid)
        if before.protocol == "udp" and (after is None or set(before.members) - set(after.members)):
            found.setdefault((before.ip, "udp"), []).append((before.port, before.port))
    return found


def _order(it: PortForward) -> tuple[str, str, int]:
    return it.ip, it.protocol, it.first_port


def parse(text: str) -> Iterable[Flow]:
    """Return the flows that ``conntrack -L`` shows."""
    for row in text.splitlines():
        found: dict[str, str] = {}
        for name, value in _FIELD.findall(row):
            found.setdefault(name, value)  # the first of each is of the direction it began in
        if {"src", "dst", "sport", "dport"} <= set(found):
            ports = int(found["sport"]), int(found["dport"])
            yield Flow(row.split()[0], found["src"], found["dst"], *ports)


def _ending(flow: Flow) -> tuple[str, ...]:
    return (
        "conntrack", "-D", "-p", flow.protocol, "-s", flow.source, "-d", flow.destination,
        "--sport", str(flow.source_port), "--dport", str(flow.port),
    )  # fmt: skip
