"""What may come in: to public addresses by firewall rules, and to the router itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address

from tegar.agent.router import links
from tegar.agent.router.render import acl
from tegar.agent.router.render.match import (
    addresses,
    chain,
    collapsed,
    kind,
    merged,
    one_of,
    port_range,
    ports,
    rule,
    written,
)
from tegar.agent.router.render.nat import METADATA_PORT, PASSWORD_PORT
from tegar.model.router import RouterSpec, SubnetSpec
from tegar.model.rule import Balancer, Opening, Protocol

VRRP, SYNC_PORT = "vrrp", 3780
PRIMARY_GROUP = 1  # links of a pair are in this group while the router is primary
WITH_PORTS = (Protocol.TCP, Protocol.UDP)
By = dict[tuple[str, ...], list[Opening]]


def is_vpc(spec: RouterSpec) -> bool:
    """Return whether ACLs say what comes in, not firewall rules of public addresses."""
    return all(subnet.acl is not None for subnet in spec.subnets)


def guarded(spec: RouterSpec) -> bool:
    """Return whether public addresses are closed until a firewall rule opens them."""
    return not is_vpc(spec) and bool(links.public_ips(spec))


def opened(spec: RouterSpec) -> Iterable[str]:
    """Return the chain of firewall rules: they name public addresses and ports, so it comes before translation."""
    if not guarded(spec):
        return
    by_source: By = defaultdict(list)
    for opening in spec.openings:
        by_source[tuple(map(written, collapsed(opening.match.sources)))].append(opening)
    rows = []
    for sources in sorted(by_source):
        start = addresses("saddr", sources)
        rows += [rule(start, words, "accept") for words in _wanted(by_source[sources])]
    yield chain("opened", [*rows, "drop"])


def _wanted(openings: list[Opening]) -> Iterable[str]:
    """Return the conditions of openings to the same sources, as few as can be."""
    spans = defaultdict(list)
    whole, others = set(), set()
    for it in openings:
        span = port_range(it.match)
        if it.match.protocol is Protocol.ALL:
            whole.add(it.ip)
        elif it.match.protocol in WITH_PORTS:
            spans[it.ip, str(it.match.protocol)].append(span or (0, 65535))
        else:
            others.add(f"ip daddr {it.ip} {kind(it.match)}")
    doors = [f"{ip} . {name} . {ports(*s)}" for (ip, name), all in sorted(spans.items()) for s in merged(all)]
    if doors:
        yield f"ip daddr . meta l4proto . th dport {{ {', '.join(doors)} }}"
    if whole:
        yield f"ip daddr {one_of(sorted(whole))}"
    yield from sorted(others)


def inputs(spec: RouterSpec, mark: str) -> str:
    """Return the chain of what the router itself answers."""
    rows = [
        'iifname "lo" accept',
        "ct state invalid drop",
        "ct state related accept",
        "ct direction reply accept",
        f"ct mark {mark} accept",
    ]
    for subnet in spec.subnets:
        rows += _for_guests(spec, subnet)
    rows += _for_peer(spec)
    public = links.public_ips(spec)
    for it in sorted(spec.balancers, key=lambda it: it.uuid):
        if it.protocol != "udp" and it.members:
            tier = _tier_of(spec, it)
            to = f"inside-{links.subnet_link(tier)}" if tier else "keep"
            rows.append(
                rule(addresses("saddr", it.sources), f"ip daddr {it.ip} tcp dport {it.port} goto {to}")
            )
    if public and guarded(spec):
        rows.append(f"ip daddr {one_of(public)} icmp type echo-request limit rate 100/second accept")
    return chain("input", rows, "filter hook input priority filter; policy drop")


def inside(spec: RouterSpec) -> Iterable[str]:
    """Return a chain for each tier with balancers inside: the lists decide who gets there, as if they were guests."""
    tiers = {tier.network.uuid: tier for tier in (_tier_of(spec, it) for it in spec.balancers) if tier}
    for uuid in sorted(tiers):
        own = links.subnet_link(tiers[uuid])
        rows = [f'iifname "{own}" goto keep']
        if others := [name for name in acl.names(spec) if name != own]:
            rows += [f"iifname vmap {acl.jumps('from', others)}", f"jump to-{own}", "goto keep"]
        yield chain(f"inside-{own}", rows)


def _tier_of(spec: RouterSpec, it: Balancer) -> SubnetSpec | None:
    """Return the guest network that a balancer's address is of, None when it is a public one."""
    ip = IPv4Address(it.ip)
    return next((subnet for subnet in spec.subnets if ip in links.subnet_cidr(subnet)), None)


def _for_guests(spec: RouterSpec, subnet: SubnetSpec) -> Iterable[str]:
    link = f'iifname "{links.subnet_link(subnet)}"'
    inside = f"ip saddr {written(links.subnet_cidr(subnet))}"
    primary = f"iifgroup {PRIMARY_GROUP}" if links.is_pair(spec) else ""
    if "Dhcp" in subnet.services:
        yield rule(link, primary, "udp dport 67 accept")
    if "Dns" in subnet.services:
        yield f"{link} {inside} meta l4proto {{ tcp, udp }} th dport 53 accept"
    if "UserData" in subnet.services:
        yield f"{link} {inside} ct status dnat tcp dport {METADATA_PORT} accept"
        yield rule(link, primary, f"{inside} ct status dnat tcp dport {PASSWORD_PORT} accept")
    yield f"{link} icmp type echo-request limit rate 100/second accept"


def _for_peer(spec: RouterSpec) -> Iterable[str]:
    """Return what the other router of a pair may say."""
    if not links.is_pair(spec):
        return
    for subnet in spec.subnets:
        if subnet.peer_ip:
            start = f'iifname "{links.subnet_link(subnet)}" ip saddr {subnet.peer_ip}'
            yield f"{start} meta l4proto {VRRP} accept"
            yield f"{start} udp dport {SYNC_PORT} accept"
    other = links.PUBLIC_OWN[1 - links.side(spec)]
    for uplink in spec.uplinks:
        yield f'iifname "{links.uplink_link(uplink)}" ip saddr {other} meta l4proto {VRRP} accept'
