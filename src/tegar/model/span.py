"""Ranges of IPv4 addresses that operators give, checked in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from tegar.kernel.errors import BadParameter, Refused

MAX_ADDRESSES = 65_536


@dataclass(frozen=True)
class Subnet:
    """A subnet by its gateway and netmask."""

    network: IPv4Network
    gateway: IPv4Address

    @property
    def netmask(self) -> str:
        """The netmask, dotted."""
        return str(self.network.netmask)


@dataclass(frozen=True)
class Span:
    """Addresses from ``first`` to ``last``, both included."""

    first: IPv4Address
    last: IPv4Address

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, ip: IPv4Address) -> bool:
        return self.first <= ip <= self.last

    def addresses(self) -> Iterator[str]:
        """Give every address, dotted."""
        return (str(IPv4Address(n)) for n in range(int(self.first), int(self.last) + 1))

    def overlaps(self, other: Span) -> bool:
        """Return whether an address is in both."""
        return self.first <= other.last and other.first <= self.last


def address(name: str, text: str) -> IPv4Address:
    """Return an IPv4 address.

    Raises:
        BadParameter: it is not one.
    """
    try:
        return IPv4Address(text.strip())
    except ValueError:
        raise BadParameter(name, f"{text[:60]!r} is not an IPv4 address, such as 10.1.1.1") from None


def subnet(gateway: str, netmask: str) -> Subnet:
    """Return the subnet of a gateway.

    Raises:
        BadParameter: the gateway is no address of a host in it, or the netmask is none.
    """
    router, mask = address("gateway", gateway), address("netmask", netmask)
    bits = f"{int(mask):032b}"
    if "01" in bits or not 8 <= bits.count("1") <= 30:
        raise BadParameter("netmask", f"{netmask!r} is not a netmask from 255.0.0.0 to 255.255.255.252")
    network = IPv4Network((int(router) & int(mask), bits.count("1")))
    if router in (network.network_address, network.broadcast_address):
        raise BadParameter("gateway", f"{gateway} is the network's own or its broadcast address")
    return Subnet(network, router)


def span(within: Subnet, start: str, end: str | None) -> Span:
    """Return the range from *start* to *end* (one address without an end).

    Raises:
        BadParameter: it is not in the subnet.
        Refused: it is upside down, too large, or holds the gateway.
    """
    first = address("startip", start)
    last = address("endip", end) if end else first
    for name, ip in (("startip", first), ("endip", last)):
        if ip not in within.network:
            raise BadParameter(name, f"{ip} is not in {within.network}, the subnet of the gateway")
        if ip in (within.network.network_address, within.network.broadcast_address):
            raise BadParameter(name, f"{ip} is the subnet's own or its broadcast address")
    if last < first:
        raise Refused(f"startip {first} must not be after endip {last}")
    found = Span(first, last)
    if within.gateway in found:
        raise Refused(f"The range {first} to {last} holds the gateway {within.gateway}; leave it out")
    if len(found) > MAX_ADDRESSES:
        raise Refused(f"The range has {len(found)} addresses; a range may have {MAX_ADDRESSES} at most")
    return found
