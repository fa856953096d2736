"""Filters of NICs on a bridge of Open vSwitch, as flows.  Pure: NICs in, text out.

A frame from a NIC passes the guard (it is who it says it is), then the NIC's own egress rules; a frame to a NIC in
security groups passes its ingress rules, whoever sent it.  Where it then goes, VLANs included, the switch decides as
ever (``NORMAL``); flows only drop.  Connections are tracked in a zone for each NIC, its port's number, so that what one
NIC was allowed allows another nothing.

A NIC in security groups gets no flooded frames, for the switch would flood past its rules: its MAC address is pinned to
its port, and of frames to all only those a link needs (ARP, DHCP answers, IPv6 neighbours) are handed to it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tegar.agent.segment.rules import ND_TYPES, Addresses, addresses, icmp, masks, networks, number, ports
from tegar.model.rule import Match
from tegar.model.spec import NicSpec, SecurityRules

COOKIES = "0x7e9a000000000000/0xffff000000000000"  # all flows of ours
SHARED = "0x7e9a000000000000"  # those of no NIC
GUARD, EGRESS, GOES_OUT, DELIVER, INGRESS, COMES_IN, TO_ALL = 60, 61, 62, 70, 80, 81, 90
_MANY = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
_DHCP_ASKS, _DHCP_ANSWERS = "udp,tp_src=68,tp_dst=67", "udp,tp_src=67,tp_dst=68"


@dataclass(frozen=True)
class Plugged:
    """A NIC and the port it is plugged into; ``tag`` 0: frames without a VLAN."""

    nic: NicSpec
    port: int
    tag: int

    @property
    def groups(self) -> SecurityRules | None:
        """Its rules, None when it is in no security group."""
        return self.nic.filter.groups if self.nic.filter else None


@dataclass(frozen=True)
class Neighbour:
    """A port that is no NIC of ours: a router's with its VLAN, or one that carries all (``tag`` None)."""

    port: int
    tag: int | None


def flows(nics: Sequence[Plugged], others: Sequence[Neighbour], bridge_mac: str) -> str:
    """Return the flows of a whole bridge, led by the line that deletes what was there before."""
    nics = sorted((it for it in nics if it.nic.filter), key=lambda it: it.port)
    grouped = [it for it in nics if it.groups is not None]
    lines = [f"delete cookie={COOKIES}"]
    for it in nics:
        lines += [f"add cookie={cookie(it.nic)},{text}" for text in _of_nic(it, bridge_mac)]
    if nics:
        lines += [f"add cookie={SHARED},{text}" for text in _shared(nics, grouped, others)]
    return "\n".join(lines) + "\n"


def cookie(nic: NicSpec) -> str:
    """Return what marks the flows of a NIC."""
    return f"0x7e9a{nic.nic_uuid.replace('-', '')[:12]}"


def _flow(table: int, priority: int, match: str, actions: str) -> str:
    return ",".join(it for it in (f"table={table},priority={priority}", match, f"actions={actions}") if it)


def _of_nic(it: Plugged, bridge_mac: str) -> Iterator[str]:
    assert it.nic.filter is not None
    own, port = addresses(it.nic), f"in_port={it.port}"
    yield _flow(0, 1000, port, f"resubmit(,{GUARD})")
    yield _flow(GUARD, 200, f"{port},dl_dst={bridge_mac}", "drop")
    yield _flow(GUARD, 200, f"{port},vlan_tci=0x1000/0x1000", "drop")
    if it.nic.filter.spoof_guard:
        yield from _guard(own, port)
    else:
        yield _flow(GUARD, 100, port, f"resubmit(,{EGRESS})")
    if it.groups is None:
        yield _flow(EGRESS, 100, port, f"resubmit(,{DELIVER})")
    else:
        yield from _egress(it, it.groups)
        yield from _ingress(it, it.groups, own)


def _guard(own: Addresses, port: str) -> Iterator[str]:
    """Let pass what is sent under the NIC's own addresses; a table that matches nothing drops."""
    passes, mine = f"resubmit(,{EGRESS})", f"{port},dl_src={own.mac}"
    if not own.ips:
        yield _flow(GUARD, 100, mine, passes)
        return
    for ip in own.ips:
        yield _flow(GUARD, 170, f"arp,{mine},arp_sha={own.mac},arp_spa={ip}", passes)
        yield _flow(GUARD, 160, f"ip,{mine},nw_src={ip}", passes)
    yield _flow(GUARD, 170, f"arp,{mine},arp_sha={own.mac},arp_op=1,arp_spa=0.0.0.0", passes)
    yield _flow(GUARD, 170, f"{_DHCP_ASKS},{mine},nw_src=0.0.0.0", passes)
    yield _flow(GUARD, 180, f"udp,{port},tp_src=67", "drop")
    yield _flow(
        GUARD, 160, f"dl_type=0x8035,{mine}", passes
    )  # QEMU tells switches where a guest that moved is
    for kind in (134, 136, 137):
        yield _flow(GUARD, 170, f"icmp6,{port},icmp_type={kind}", "drop")
    yield _flow(GUARD, 180, f"icmp6,{mine},icmp_type=136,nd_target={own.link_local}", passes)
    yield _flow(GUARD, 180, f"udp6,{port},tp_src=547", "drop")
    yield _flow(GUARD, 160, f"ipv6,{mine},ipv6_src={own.link_local}", passes)
    for kind in (135, 143):
        yield _flow(GUARD, 160, f"icmp6,{mine},icmp_type={kind},ipv6_src=::", passes)


def _egress(it: Plugged, rules: SecurityRules) -> Iterator[str]:
    port, go_on = f"in_port={it.port}", f"resubmit(,{DELIVER})"
    yield _flow(EGRESS, 120, f"{_DHCP_ASKS},{port}", go_on)
    yield _flow(EGRESS, 110, f"ip,{port}", f"ct(table={GOES_OUT},zone={it.port})")
    for kind in ND_TYPES:
        yield _flow(EGRESS, 120, f"icmp6,{port},icmp_type={kind}", go_on)
    yield _flow(EGRESS, 110, f"ipv6,{port}", "drop")
    yield _flow(EGRESS, 100, port, go_on)
    new = f"ct(commit,zone={it.port}),{go_on}"
    yield from _known(GOES_OUT, port, go_on)
    if not rules.egress:
        yield _flow(GOES_OUT, 100, f"ct_state=+trk+new,ip,{port}", new)
    else:
        for protocol in ("udp", "tcp"):
            yield _flow(GOES_OUT, 100, f"ct_state=+trk+new,{protocol},{port},tp_dst=53", new)
    for words in dict.fromkeys(w for m in rules.egress for w in _match(m, "nw_dst", m.destinations)):
        yield _flow(GOES_OUT, 100, f"ct_state=+trk+new,{words},{port}", new)


def _ingress(it: Plugged, rules: SecurityRules, own: Addresses) -> Iterator[str]:
    to = f"dl_dst={own.mac}"
    yield _flow(0, 900, to, f"resubmit(,{DELIVER})")
    yield _flow(DELIVER, 900, to, f"resubmit(,{INGRESS})")
    yield _flow(INGRESS, 120, f"arp,{to}", "NORMAL")
    yield _flow(INGRESS, 120, f"{_DHCP_ANSWERS},{to}", "NORMAL")
    for kind in ND_TYPES:
        yield _flow(INGRESS, 120, f"icmp6,{to},icmp_type={kind}", "NORMAL")
    yield _flow(INGRESS, 110, f"ip,{to}", f"ct(table={COMES_IN},zone={it.port})")
    yield from _known(COMES_IN, to, "NORMAL")
    for words in dict.fromkeys(w for m in rules.ingress for w in _match(m, "nw_src", m.sources)):
        yield _flow(COMES_IN, 100, f"ct_state=+trk+new,{words},{to}", f"ct(commit,zone={it.port}),NORMAL")


def _known(table: int, match: str, go_on: str) -> Iterator[str]:
    """Judge packets of connections that are known."""
    yield _flow(table, 200, f"ct_state=+trk+inv,ip,{match}", "drop")
    yield _flow(table, 190, f"ct_state=+trk+est,ip,{match}", go_on)
    yield _flow(table, 190, f"ct_state=+trk+rel,ip,{match}", go_on)


def _match(match: Match, field: str, cidrs: Iterable[str]) -> Iterator[str]:
    """Return a rule's packets, in as many matches as its addresses and ports need."""
    protocol, span, (kind, code) = number(match), ports(match), icmp(match)
    words = "ip" if protocol is None else f"ip,nw_proto={protocol}"
    if kind is not None:
        words += f",icmp_type={kind}" + (f",icmp_code={code}" if code is not None else "")
    every = [f",tp_dst={value}/{mask:#x}" for value, mask in masks(*span)] if span else [""]
    for cidr in networks(cidrs) or ("",):
        for some in every:
            yield words + some + (f",{field}={cidr}" if cidr else "")


def _shared(
    nics: Sequence[Plugged], grouped: Sequence[Plugged], others: Sequence[Neighbour]
) -> Iterator[str]:
    """Deliver: to all NICs of a VLAN by hand what each link needs, all else as ever."""
    yield _flow(DELIVER, 0, "", "NORMAL")
    if not grouped:
        return
    needed = ["arp", _DHCP_ANSWERS, *(f"icmp6,icmp_type={kind}" for kind in ND_TYPES)]
    for words in needed:
        yield _flow(0, 800, f"{words},{_MANY}", f"resubmit(,{DELIVER})")
        yield _flow(DELIVER, 800, f"{words},{_MANY}", f"NORMAL,resubmit(,{TO_ALL})")
    tags = sorted({it.tag for it in grouped})
    senders = [(it.port, it.tag) for it in nics] + [(n.port, n.tag) for n in others]
    for port, tag in sorted(senders, key=lambda it: it[0]):
        for vlan in tags if tag is None else [tag]:
            out = ",".join(f"output:{it.port}" for it in grouped if it.tag == vlan and it.port != port)
            tagged = tag is None and vlan != 0
            frames = f",dl_vlan={vlan}" if tagged else ",vlan_tci=0/0x1000"
            if out:
                yield _flow(TO_ALL, 100, f"in_port={port}{frames}", f"strip_vlan,{out}" if tagged else out)
