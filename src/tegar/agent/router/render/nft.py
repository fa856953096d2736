"""The firewall of a router: one text that replaces the ruleset in one transaction.

Each flow is judged once and marked; a changed ruleset has another mark, so all flows are judged again by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from tegar.agent.router import links
from tegar.agent.router.render import acl, doors, nat, traffic
from tegar.agent.router.render.match import chain, nics, one_of, written
from tegar.model.router import RouterSpec, SubnetSpec

TABLE = "inet tegar"
MARK = "0x########"
NO_ADDRESS_YET = "0.0.0.0"  # noqa: S104 - a guest that asks for its lease
EVERYTHING = "0.0.0.0/0"


def rules(spec: RouterSpec) -> str:
    """Return the whole ruleset; counters live on while it is replaced."""
    policy = _policy(spec)
    judged = _policy(_either(spec))
    mark = f"0x{int(hashlib.sha256(judged.encode()).hexdigest()[:8], 16) | 1:08x}"
    return (
        f"table {TABLE} {{ }}\ndelete table {TABLE}\ntable {TABLE} {{\n{policy.replace(MARK, mark)}}}\n"
        f"{traffic.tables(spec)}"
    )


def _either(spec: RouterSpec) -> RouterSpec:
    """Return the spec as both of a pair have it: what one of them has judged, the other need not judge again."""
    if not links.is_pair(spec):
        return spec
    own = [sorted((net.ip, net.peer_ip)) if net.peer_ip else [net.ip, ""] for net in spec.subnets]
    subnets = (replace(net, ip=ip, peer_ip=peer) for net, (ip, peer) in zip(spec.subnets, own, strict=True))
    return replace(spec, subnets=tuple(subnets))


def _policy(spec: RouterSpec) -> str:
    return "".join(
        (
            nat.maps(spec),
            chain("keep", (f"ct mark set {MARK}", "accept")),
            *doors.opened(spec),
            *_steering(spec),
            _prerouting(spec),
            *nat.chains(spec),
            doors.inputs(spec, MARK),
            *acl.chains(spec),
            *doors.inside(spec),
            _forward(spec),
        )
    )


def _steering(spec: RouterSpec) -> Iterable[str]:
    """Mark what has to leave by another uplink than the first: answers, and guests that an address there stands for."""
    number = {ip: n for n, uplink in enumerate(links.steered(spec), start=1) for ip in uplink.addresses}
    if not number:
        return
    answers = ", ".join(f"{ip} : {n}" for ip, n in sorted(number.items()))
    static = sorted((it.to_ip, number[it.ip]) for it in spec.static_nats if it.ip in number)
    rows = []
    if static:
        rows.append(f"meta mark set ip saddr map {{ {', '.join(f'{ip} : {n}' for ip, n in static)} }}")
    rows.append(f"ct direction reply meta mark set ct original ip daddr map {{ {answers} }}")
    yield chain("steer", rows, "filter hook prerouting priority mangle - 5; policy accept")
    own = f"meta mark set ip saddr map {{ {answers} }}"
    yield chain("steer-own", (own,), "route hook output priority mangle; policy accept")


def _prerouting(spec: RouterSpec) -> str:
    """Drop spoofed sources, then what no firewall rule of a public address lets in."""
    rows = [row for subnet in spec.subnets for row in _spoofed(spec, subnet)]
    outside = [links.uplink_link(uplink) for uplink in spec.uplinks]
    if outside and spec.subnets:
        inside = one_of(written(links.subnet_cidr(subnet)) for subnet in spec.subnets)
        rows.append(f"iifname {nics(outside)} ip saddr {inside} drop")
    rows += ["ct state invalid drop", "ct state related accept", "ct direction reply accept"]
    rows.append(f"ct mark {MARK} accept")
    if doors.guarded(spec):
        rows.append(f"ip daddr {one_of(links.public_ips(spec))} goto opened")
    return chain("prerouting", rows, "filter hook prerouting priority mangle; policy accept")


def _spoofed(spec: RouterSpec, subnet: SubnetSpec) -> Iterable[str]:
    link = links.subnet_link(subnet)
    behind = sorted(route.cidr for route in links.routes(spec) if route.link == link)
    if EVERYTHING not in behind:
        known = one_of((NO_ADDRESS_YET, written(links.subnet_cidr(subnet)), *behind))
        yield f'iifname "{link}" ip saddr != {known} drop'


def _forward(spec: RouterSpec) -> str:
    rows = ["ct state invalid drop", "ct state related accept", "ct direction reply accept"]
    rows.append(f"ct mark {MARK} accept")
    if names := acl.names(spec):
        rows.append(f"iifname vmap {acl.jumps('from', names)}")
        rows.append(f"oifname vmap {acl.jumps('to', names)}")
        rows.append(f"iifname {nics(names)} oifname {nics(names)} goto keep")
    return chain("forward", rows, "filter hook forward priority filter; policy drop")
