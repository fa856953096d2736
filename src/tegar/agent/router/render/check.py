"""Words of a spec that could say more in a file than they should are refused before anything is written."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable

from tegar.agent.router import links
from tegar.kernel.errors import Refused
from tegar.model.router import RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import Balancer, Match, Stickiness

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,100}")
_PATH = re.compile(r"/[A-Za-z0-9._~%/?&=+:@,;-]*")
ALGORITHMS = ("roundrobin", "leastconn", "source")
BALANCED = ("tcp", "udp", "tcp-proxy", "ssl")
STICKY = ("LbCookie", "AppCookie", "SourceBased")
FORWARDED = ("tcp", "udp")
MOST_PORT = 65535


def check(spec: RouterSpec) -> None:
    """Refuse a spec with words that are not what they should be.

    Raises:
        Refused: an address, a MAC address, a name, a port or a path is none.
    """
    try:
        for subnet in spec.subnets:
            _subnet(subnet)
        for uplink in spec.uplinks:
            _uplink(uplink)
        for ip in _ips(spec):
            ipaddress.IPv4Address(ip)
        for cidr in _cidrs(spec):
            ipaddress.IPv4Network(cidr, strict=False)
    except ValueError as e:
        raise Refused(f"router {spec.uuid}: {e}") from e
    for balancer in spec.balancers:
        _balancer(balancer)
    for match in _matches(spec):
        _match(match)
    for forward in spec.forwards:
        _must(forward.protocol in FORWARDED, f"{forward.protocol!r} has no ports to forward")
        _ports(forward.first_port, forward.last_port)
        _ports(forward.to_first_port, forward.to_last_port)
        counts = (forward.last_port - forward.first_port, forward.to_last_port - forward.to_first_port)
        _must(counts[0] == counts[1], f"port ranges {counts} are not as long")
    twice = [name for name, n in Counter(link.name for link in links.links(spec)).items() if n > 1]
    _must(not twice, f"router {spec.uuid} has two NICs {', '.join(twice)}")


def _must(fine: object, otherwise: str) -> None:
    if not fine:
        raise Refused(otherwise)


def _subnet(net: SubnetSpec) -> None:
    links.subnet_cidr(net)
    _must(_UUID.fullmatch(net.network.uuid), f"{net.network.uuid!r} is not a uuid")
    for mac in (net.mac, *(guest.mac for guest in net.guests)):
        _must(_MAC.fullmatch(mac), f"{mac!r} is not a MAC address in lower case")
    for name in (net.domain, *(guest.hostname for guest in net.guests)):
        _must(not name or _NAME.fullmatch(name), f"{name!r} is not a host or domain name")


def _uplink(uplink: UplinkSpec) -> None:
    _must(_UUID.fullmatch(uplink.network.uuid), f"{uplink.network.uuid!r} is not a uuid")
    _must(_MAC.fullmatch(uplink.mac), f"{uplink.mac!r} is not a MAC address in lower case")
    _must(uplink.addresses, f"an uplink of {uplink.network.uuid} has no address")
    links.uplink_cidr(uplink)


def _ips(spec: RouterSpec) -> Iterable[str]:
    for net in spec.subnets:
        yield from filter(None, (net.ip, net.gateway, net.peer_ip))
        yield from (*net.dns, *(guest.ip for guest in net.guests))
    for uplink in spec.uplinks:
        yield from (*uplink.addresses, *filter(None, (uplink.gateway, uplink.source_nat)))
    yield from (it.ip for it in spec.openings)
    yield from (ip for it in spec.forwards for ip in (it.ip, it.to_ip))
    yield from (ip for it in spec.static_nats for ip in (it.ip, it.to_ip))
    yield from (it.ip for it in spec.balancers)
    yield from (member.ip for balancer in spec.balancers for member in balancer.members)
    yield from (route.via for route in spec.routes)


def _matches(spec: RouterSpec) -> Iterable[Match]:
    yield from (opening.match for opening in spec.openings)
    for net in spec.subnets:
        yield from net.egress
    for acl in (*(net.acl for net in spec.subnets), *(uplink.acl for uplink in spec.uplinks)):
        yield from (item.match for item in acl or ())


def _cidrs(spec: RouterSpec) -> Iterable[str]:
    for match in _matches(spec):
        yield from (*match.sources, *match.destinations)
    yield from (cidr for it in spec.forwards for cidr in it.sources)
    yield from (cidr for it in spec.balancers for cidr in it.sources)
    yield from (route.cidr for route in spec.routes)


def _match(match: Match) -> None:
    if match.first_port is not None:
        last = match.last_port if match.last_port is not None else match.first_port
        _ports(match.first_port, last)
    _must(match.protocol != "number" or match.number is not None, "a protocol by number lacks the number")


def _ports(first: int, last: int) -> None:
    _must(0 <= first <= last <= MOST_PORT, f"{first}-{last} are no ports")


def _balancer(it: Balancer) -> None:
    _must(_UUID.fullmatch(it.uuid), f"{it.uuid!r} is not a uuid")
    _must(it.algorithm in ALGORITHMS, f"{it.algorithm!r} is no algorithm of a load balancer")
    _must(it.protocol in BALANCED, f"{it.protocol!r} cannot be balanced")
    _must(it.protocol != "ssl" or it.certificate, f"load balancer {it.uuid} has no certificate")
    for port in (it.port, *(member.port for member in it.members)):
        _ports(port, port)
    if it.health and it.health.path:
        _must(_PATH.fullmatch(it.health.path), f"{it.health.path!r} is no plain path")
    if it.stickiness:
        _stickiness(it.stickiness)


def _stickiness(it: Stickiness) -> None:
    _must(it.method in STICKY, f"{it.method!r} is no way to be sticky")
    for word in (it.name, *(value for pair in it.params for value in pair)):
        _must(not word or _WORD.fullmatch(word), f"{word!r} is no plain word")
