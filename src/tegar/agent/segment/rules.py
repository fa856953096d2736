"""What the two renderers of filters share: whose frames pass, in words of neither.  Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from tegar.kernel.errors import Refused
from tegar.model.rule import Match, Protocol
from tegar.model.spec import NicSpec

ND_TYPES = (133, 134, 135, 136, 143)  # what IPv6 needs on a link: neighbours, routers, multicast reports
NUMBERS = {Protocol.ICMP: 1, Protocol.TCP: 6, Protocol.UDP: 17}


@dataclass(frozen=True)
class Addresses:
    """What a NIC may call itself; no ``ips``: any."""

    mac: str
    ips: tuple[str, ...]
    link_local: str


def addresses(nic: NicSpec) -> Addresses:
    """Return what a NIC may call itself.

    Raises:
        Refused: an address is none.
    """
    own = tuple(ip for ip in (nic.ip, *(nic.filter.ips if nic.filter and nic.ip else ())) if ip)
    try:
        ips = tuple(str(ipaddress.IPv4Address(ip)) for ip in own)
        octets = bytes.fromhex(nic.mac.replace(":", ""))
    except ValueError as e:
        raise Refused(f"NIC {nic.nic_uuid}: {e}") from e
    if len(octets) != 6:
        raise Refused(f"NIC {nic.nic_uuid}: {nic.mac!r} is not a MAC address")
    return Addresses(nic.mac.lower(), ips, link_local(octets))


def link_local(mac: bytes) -> str:
    """Return the IPv6 address that an interface makes of its MAC."""
    tail = bytes([mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE, mac[3], mac[4], mac[5]])
    return str(ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + tail))


def networks(cidrs: Iterable[str]) -> tuple[str, ...]:
    """Return CIDRs checked, as few as say the same; an empty tuple means anywhere.

    Raises:
        Refused: one is no IPv4 network.
    """
    try:
        found = [ipaddress.IPv4Network(cidr, strict=False) for cidr in cidrs]
    except ValueError as e:
        raise Refused(str(e)) from e
    fewer = tuple(str(n) for n in ipaddress.collapse_addresses(found))
    return () if "0.0.0.0/0" in fewer else fewer


def ports(match: Match) -> tuple[int, int] | None:
    """Return the inclusive range of ports, None for all."""
    if match.protocol not in (Protocol.TCP, Protocol.UDP) or match.first_port is None:
        return None
    last = match.first_port if match.last_port is None else match.last_port
    if not 0 <= match.first_port <= last <= 65535:
        raise Refused(f"{match.first_port}-{last} is no range of ports")
    return None if (match.first_port, last) == (0, 65535) else (match.first_port, last)


def icmp(match: Match) -> tuple[int | None, int | None]:
    """Return type and code, None for all; the API's -1 is all."""
    if match.protocol is not Protocol.ICMP:
        return None, None
    kind = match.icmp_type if match.icmp_type is not None and match.icmp_type >= 0 else None
    code = match.icmp_code if match.icmp_code is not None and match.icmp_code >= 0 else None
    return kind, code if kind is not None else None


def number(match: Match) -> int | None:
    """Return the protocol's number, None for all."""
    return match.number if match.protocol is Protocol.NUMBER else NUMBERS.get(match.protocol)


def masks(first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Return a range of 16-bit numbers as values and masks."""
    found = []
    while first <= last:
        size = first & -first or 1 << 16
        while size > last - first + 1:
            size >>= 1
        found.append((first, 0xFFFF & ~(size - 1)))
        first += size
    return tuple(found)
