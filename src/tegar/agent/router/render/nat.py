"""Address translation: where packets to public addresses go, and by which address guests go out."""

from __future__ import annotations

from collections.abc import Iterable

from tegar.agent.router import links
from tegar.agent.router.render.match import addresses, chain, one_of, ports, rule, written
from tegar.model.router import RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import Balancer, PortForward

METADATA_PORT, PASSWORD_PORT = (
    8775,
    8776,
)  # where they really listen: public ports 80 and 8080 may be balancers'


def maps(spec: RouterSpec) -> str:
    """Return the port forwardings to anybody: looked up, however many there are."""
    whole = [it for it in spec.forwards if not it.sources]
    single = sorted(row for it in whole if _shifted(it) for row in _singles(it))
    spans = sorted(
        f"{it.ip} . {it.protocol} . {ports(it.first_port, it.last_port)} : {it.to_ip}"
        for it in whole
        if not _shifted(it)
    )
    key = "ipv4_addr . inet_proto . inet_service"
    return _map("forwards", f"{key} : ipv4_addr . inet_service", single) + _map(
        "ranges", f"{key} : ipv4_addr; flags interval", spans
    )


def _map(name: str, kind: str, rows: list[str]) -> str:
    filled = f"    elements = {{ {', '.join(rows)} }}\n" if rows else ""
    return f"  map {name} {{\n    type {kind};\n{filled}  }}\n"


def _shifted(it: PortForward) -> bool:
    return it.first_port != it.to_first_port


def _singles(it: PortForward) -> Iterable[str]:
    for n in range(it.last_port - it.first_port + 1):
        yield f"{it.ip} . {it.protocol} . {it.first_port + n} : {it.to_ip} . {it.to_first_port + n}"


def chains(spec: RouterSpec) -> Iterable[str]:
    """Return both chains."""
    inward = [
        *(row for subnet in spec.subnets for row in _own_services(spec, subnet)),
        *(_for_some(it) for it in sorted(spec.forwards, key=_order) if it.sources),
        "dnat ip to ip daddr . meta l4proto . th dport map @forwards",
        "dnat ip to ip daddr . meta l4proto . th dport map @ranges",
        *(_balanced(it) for it in sorted(spec.balancers, key=lambda it: it.uuid) if _is_balanced_here(it)),
    ]
    if spec.static_nats:
        pairs = ", ".join(sorted(f"{it.ip} : {it.to_ip}" for it in spec.static_nats))
        inward.append(f"dnat ip to ip daddr map {{ {pairs} }}")
    yield chain("dstnat", inward, "nat hook prerouting priority dstnat; policy accept")
    outward = [row for uplink in spec.uplinks for row in _out(spec, uplink)]
    outward += [_hairpin(spec, subnet) for subnet in spec.subnets if spec.uplinks]
    yield chain("srcnat", outward, "nat hook postrouting priority srcnat; policy accept")


def _own_services(spec: RouterSpec, subnet: SubnetSpec) -> Iterable[str]:
    if "UserData" in subnet.services:
        to = one_of(links.served_ips(spec, subnet))
        for port, real in ((80, METADATA_PORT), (8080, PASSWORD_PORT)):
            yield f'iifname "{links.subnet_link(subnet)}" ip daddr {to} tcp dport {port} redirect to :{real}'


def _order(it: PortForward) -> tuple[str, str, int]:
    return it.ip, it.protocol, it.first_port


def _for_some(it: PortForward) -> str:
    """Return the port forwarding to those that come from some networks only."""
    start = f"{addresses('saddr', it.sources)} ip daddr {it.ip}"
    if not _shifted(it):
        return rule(start, f"{it.protocol} dport {ports(it.first_port, it.last_port)} dnat ip to {it.to_ip}")
    count = it.last_port - it.first_port + 1
    pairs = ", ".join(f"{it.first_port + n} : {it.to_ip} . {it.to_first_port + n}" for n in range(count))
    return rule(start, f"dnat ip to {it.protocol} dport map {{ {pairs} }}")


def _is_balanced_here(it: Balancer) -> bool:
    return it.protocol == "udp" and bool(it.members)


def _balanced(it: Balancer) -> str:
    """Return a load balancer of datagrams, which HAProxy has not."""
    by_source = it.algorithm == "source" or (it.stickiness and it.stickiness.method == "SourceBased")
    pick = "jhash ip saddr" if by_source else "numgen inc"
    pairs = ", ".join(f"{n} : {member.ip} . {member.port}" for n, member in enumerate(it.members))
    to = f"dnat ip to {pick} mod {len(it.members)} map {{ {pairs} }}"
    return rule(addresses("saddr", it.sources), f"ip daddr {it.ip} udp dport {it.port} {to}")


def _out(spec: RouterSpec, uplink: UplinkSpec) -> Iterable[str]:
    link = links.uplink_link(uplink)
    own = {it.to_ip: it.ip for it in spec.static_nats if it.ip in uplink.addresses}
    if own:
        pairs = ", ".join(f"{inside} : {outside}" for inside, outside in sorted(own.items()))
        yield f'oifname "{link}" snat ip to ip saddr map {{ {pairs} }}'
    if uplink.source_nat and spec.subnets:
        inside = one_of(written(links.subnet_cidr(subnet)) for subnet in spec.subnets)
        yield f'oifname "{link}" ip saddr {inside} snat ip to {uplink.source_nat}'


def _hairpin(spec: RouterSpec, subnet: SubnetSpec) -> str:
    """Return what makes answers between two guests of one network come back through the router."""
    inside, own = written(links.subnet_cidr(subnet)), links.shared_ip(spec, subnet)
    return f'oifname "{links.subnet_link(subnet)}" ip saddr {inside} ct status dnat snat ip to {own}'
