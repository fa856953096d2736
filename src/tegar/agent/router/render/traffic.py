"""Counters of traffic with the outside, in a table of their own: they go on counting when rules change."""

from __future__ import annotations

from collections.abc import Iterable

from tegar.agent.router import links
from tegar.agent.router.render.match import chain, nics
from tegar.model.router import RouterSpec

TABLE = "inet tegar-traffic"
RECEIVED, SENT = "in", "out"


def subnet_counter(network_uuid: str, way: str) -> str:
    """Return the name of what a guest network received from outside (``in``) or sent there (``out``)."""
    return f"subnet-{network_uuid}-{way}"


def address_counter(ip: str, way: str) -> str:
    """Return the name of what a public address received (``in``) or sent (``out``)."""
    return f"address-{ip}-{way}"


def counters(spec: RouterSpec) -> tuple[str, ...]:
    """Return the names of all counters of a router."""
    ways = (RECEIVED, SENT)
    return (
        *(subnet_counter(subnet.network.uuid, way) for subnet in spec.subnets for way in ways),
        *(address_counter(ip, way) for ip in links.public_ips(spec) for way in ways),
    )


def tables(spec: RouterSpec) -> str:
    """Return what replaces the rules that count and keeps the counters."""
    rows = "".join(f"  counter {name} {{ }}\n" for name in counters(spec))
    return (
        f"table {TABLE} {{ }}\nflush table {TABLE}\ntable {TABLE} {{\n"
        + rows
        + chain("arriving", _addresses(spec, "iifname", "daddr", RECEIVED), _hook("prerouting", -140))
        + chain("leaving", _addresses(spec, "oifname", "saddr", SENT), _hook("postrouting", 110))
        + chain("passing", _subnets(spec), _hook("forward", 10))
        + "}\n"
    )


def _hook(name: str, priority: int) -> str:
    return f"filter hook {name} priority {priority}; policy accept"


def _outside(spec: RouterSpec) -> str:
    return nics(links.uplink_link(uplink) for uplink in spec.uplinks if not uplink.private)


def _addresses(spec: RouterSpec, link: str, side: str, way: str) -> list[str]:
    known = links.public_ips(spec)
    if not known:
        return []
    pairs = ", ".join(f'{ip} : "{address_counter(ip, way)}"' for ip in known)
    return [f"{link} {_outside(spec)} counter name ip {side} map {{ {pairs} }}"]


def _subnets(spec: RouterSpec) -> Iterable[str]:
    if not links.public_ips(spec):
        return
    for subnet in spec.subnets:
        link, uuid = links.subnet_link(subnet), subnet.network.uuid
        yield f'iifname {_outside(spec)} oifname "{link}" counter name "{subnet_counter(uuid, RECEIVED)}"'
        yield f'iifname "{link}" oifname {_outside(spec)} counter name "{subnet_counter(uuid, SENT)}"'
