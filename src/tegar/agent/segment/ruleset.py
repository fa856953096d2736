"""Filters of NICs on Linux bridges, as one ruleset of nftables for the whole host.  Pure: NICs in, text out.

All is decided in the bridge family, by the NIC's own device.  Connections are tracked a floor above, where br_netfilter
takes bridged IPv4 by; a mark brings the news down, for many kernels do not track in the bridge family itself.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tegar.agent.segment.plan import NIC_PREFIX, nic_device
from tegar.agent.segment.rules import ND_TYPES, Addresses, addresses, icmp, networks, number, ports
from tegar.model.rule import Match
from tegar.model.spec import NicSpec, SecurityRules

TABLE = "tegar"
_KNOWN, _NEW, _INVALID, _MASK = 0x10000000, 0x20000000, 0x40000000, 0x70000000
_DHCP_ASKS = "udp sport 68 udp dport 67"
_DHCP_ANSWERS = "udp sport 67 udp dport 68"
_ND = f"icmpv6 type {{ {', '.join(map(str, ND_TYPES))} }}"


@dataclass(frozen=True)
class Bridged:
    """A NIC and the bridge it is plugged into."""

    nic: NicSpec
    bridge: str

    @property
    def groups(self) -> SecurityRules | None:
        """Its rules, None when it is in no security group."""
        return self.nic.filter.groups if self.nic.filter else None


def ruleset(nics: Sequence[Bridged]) -> str:
    """Return what replaces the whole ruleset at once."""
    nics = sorted((it for it in nics if it.nic.filter), key=lambda it: nic_device(it.nic.nic_uuid))
    grouped = [it for it in nics if it.groups is not None]
    lines = []
    for family in ("bridge", "inet"):
        lines += [f"table {family} {TABLE} {{}}", f"delete table {family} {TABLE}"]
    if nics:
        lines += [f"table bridge {TABLE} {{", *_bridge(nics, grouped), "}"]
    if grouped:
        lines += [f"table inet {TABLE} {{", *_tracking(sorted({it.bridge for it in grouped})), "}"]
    return "\n".join(lines) + "\n"


def zone(bridge: str) -> int:
    """Return the tracking zone of a bridge: tenants' addresses are the same on many."""
    return 1 + zlib.crc32(bridge.encode()) % 65_000


def _bridge(nics: Sequence[Bridged], grouped: Sequence[Bridged]) -> Iterator[str]:
    yield from _chain(
        "guard", "type filter hook prerouting priority -400; policy accept;", _by("iifname", nics, "guard")
    )
    yield from _chain(
        "host", "type filter hook input priority 10; policy accept;", [f'iifname "{NIC_PREFIX}*" drop']
    )
    if grouped:
        jumps = [*_by("iifname", grouped, "out"), *_by("oifname", grouped, "in")]
        yield from _chain("groups", "type filter hook forward priority 10; policy accept;", jumps)
    for it in nics:
        name = nic_device(it.nic.nic_uuid)
        yield from _chain(f"guard-{name}", "", _guard(it.nic))
        if it.groups is not None:
            yield from _chain(f"out-{name}", "", _egress(it.groups))
            yield from _chain(f"in-{name}", "", _ingress(it.groups))


def _chain(name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"  chain {name} {{"
    if hook:
        yield f"    {hook}"
    for rule in rules:
        yield f"    {rule}"
    yield "  }"


def _by(side: str, nics: Sequence[Bridged], chain: str) -> list[str]:
    names = [nic_device(it.nic.nic_uuid) for it in nics]
    return [f"{side} vmap {{ {', '.join(f'{name} : jump {chain}-{name}' for name in names)} }}"]


def _guard(nic: NicSpec) -> Iterator[str]:
    assert nic.filter is not None
    own = addresses(nic)
    yield "ether type { 8021q, 8021ad } drop"
    yield "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop"
    if not nic.filter.spoof_guard:
        return
    yield f"ether saddr != {own.mac} drop"
    if not own.ips:
        return
    yield from _guard_ips(own)


def _guard_ips(own: Addresses) -> Iterator[str]:
    ips = f"{{ {', '.join(own.ips)} }}"
    yield f"ether type arp arp saddr ether {own.mac} arp saddr ip {ips} accept"
    yield f"ether type arp arp saddr ether {own.mac} arp operation request arp saddr ip 0.0.0.0 accept"
    yield f"ether type ip {_DHCP_ASKS} ip saddr 0.0.0.0 accept"
    yield "ether type ip udp sport 67 drop"
    yield f"ether type ip ip saddr {ips} accept"
    yield "ether type 0x8035 accept"  # QEMU tells switches where a guest that moved is
    target = f"0x{int(ipaddress.IPv6Address(own.link_local)):032x}"  # older versions have no word for it
    yield f"ether type ip6 icmpv6 type 136 @th,64,128 {target} accept"
    yield "ether type ip6 icmpv6 type { 134, 136, 137 } drop"
    yield "ether type ip6 udp sport 547 drop"
    yield f"ether type ip6 ip6 saddr {own.link_local} accept"
    yield "ether type ip6 ip6 saddr :: icmpv6 type { 135, 143 } accept"
    yield "drop"


def _egress(rules: SecurityRules) -> Iterator[str]:
    yield f"ether type ip {_DHCP_ASKS} return"
    yield f"ether type ip6 {_ND} return"
    yield "ether type ip6 drop"
    yield "ether type != ip return"
    yield from _known()
    if not rules.egress:
        return
    yield "meta l4proto { tcp, udp } th dport 53 return"
    yield from _words(rules.egress, "daddr")
    yield "drop"


def _ingress(rules: SecurityRules) -> Iterator[str]:
    yield "ether type arp return"
    yield f"ether type ip {_DHCP_ANSWERS} return"
    yield f"ether type ip6 {_ND} return"
    yield "ether type != ip drop"
    yield from _known()
    yield from _words(rules.ingress, "saddr")
    yield "drop"


def _known() -> Iterator[str]:
    """Judge packets of connections that are known; what nobody tracked is dropped, for its news may be missing."""
    yield f"meta mark & {_MASK:#x} == {_KNOWN:#x} return"
    yield f"meta mark & {_MASK:#x} != {_NEW:#x} drop"


def _words(matches: Sequence[Match], field: str) -> Iterator[str]:
    for match in matches:
        protocol, span, (kind, code) = number(match), ports(match), icmp(match)
        words = []
        cidrs = networks(match.sources if field == "saddr" else match.destinations)
        if cidrs:
            words.append(f"ip {field} {{ {', '.join(cidrs)} }}")
        if protocol is not None:
            words.append(f"meta l4proto {protocol}")
        if span:
            words.append(f"th dport {span[0]}" + (f"-{span[1]}" if span[1] != span[0] else ""))
        if kind is not None:
            words.append(f"icmp type {kind}")
        if code is not None:
            words.append(f"icmp code {code}")
        yield " ".join([*words, "return"])


def _tracking(bridges: Sequence[str]) -> Iterator[str]:
    """Track each bridge in a zone of its own, and mark what came of it."""
    zones = [f'iifname "{bridge}" ct zone set {zone(bridge)}' for bridge in bridges]
    yield from _chain("zones", "type filter hook prerouting priority -300; policy accept;", zones)
    names = ", ".join(f'"{bridge}"' for bridge in bridges)
    rest = f"0x{0xFFFFFFFF & ~_MASK:08x}"
    marks = [
        f"iifname {{ {names} }} ct state {states} meta mark set meta mark & {rest} | {value:#x}"
        for states, value in (("established,related", _KNOWN), ("new", _NEW), ("invalid,untracked", _INVALID))
    ]
    yield from _chain("marks", "type filter hook forward priority 0; policy accept;", marks)
