"""Words of nftables for addresses, ports and matches."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from tegar.model.rule import Match, Protocol

Network = ipaddress.IPv4Network
ANYWHERE = Network("0.0.0.0/0")


def one_of(words: Iterable[str]) -> str:
    """Return a set of words, or the word when it is the only one."""
    found = list(words)
    return found[0] if len(found) == 1 else f"{{ {', '.join(found)} }}"


def nics(names: Iterable[str]) -> str:
    """Return a set of names of NICs."""
    return one_of(f'"{name}"' for name in names)


def collapsed(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Return networks without those inside others; none means anywhere."""
    found = tuple(ipaddress.collapse_addresses(Network(cidr, strict=False) for cidr in cidrs))
    return () if ANYWHERE in found else found


def written(net: Network) -> str:
    """Return a network as nftables writes it: a single address without its length."""
    return str(net.network_address) if net.prefixlen == 32 else str(net)


def addresses(side: str, cidrs: Iterable[str]) -> str:
    """Return the condition on a source (``saddr``) or destination (``daddr``), empty for anywhere."""
    found = collapsed(cidrs)
    return f"ip {side} {one_of(map(written, found))}" if found else ""


def ports(first: int, last: int) -> str:
    """Return a range of ports."""
    return str(first) if first == last else f"{first}-{last}"


def port_range(match: Match) -> tuple[int, int] | None:
    """Return the ports of a match, None when it is about all of them."""
    if match.first_port is None:
        return None
    return match.first_port, match.last_port if match.last_port is not None else match.first_port


def kind(match: Match) -> str:
    """Return the condition on protocol and ports or ICMP kind, empty for all."""
    if match.protocol is Protocol.ALL:
        return ""
    if match.protocol is Protocol.NUMBER:
        return f"meta l4proto {match.number}"
    if match.protocol is Protocol.ICMP:
        return _icmp(match)
    span = port_range(match)
    return f"{match.protocol} dport {ports(*span)}" if span else f"meta l4proto {match.protocol}"


def _icmp(match: Match) -> str:
    """Return the condition on an ICMP kind; the API writes -1 for all."""
    if match.icmp_type is None or match.icmp_type < 0:
        return "meta l4proto icmp"
    words = f"icmp type {match.icmp_type}"
    if match.icmp_code is not None and match.icmp_code >= 0:
        words += f" icmp code {match.icmp_code}"
    return words


def condition(match: Match) -> str:
    """Return the whole condition of a match, empty for all packets."""
    parts = (addresses("saddr", match.sources), addresses("daddr", match.destinations), kind(match))
    return " ".join(filter(None, parts))


def rule(*words: str) -> str:
    """Return a rule out of its conditions, some of them empty, and its verdict."""
    return " ".join(filter(None, words))


def merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges of ports without overlaps, in order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def chain(name: str, rules: Iterable[str], base: str = "") -> str:
    """Return a chain; *base* says where the kernel calls it."""
    rows = [*([f"type {base};"] if base else []), *rules]
    return f"  chain {name} {{\n" + "".join(f"    {row}\n" for row in rows) + "  }\n"
