"""A router's NICs, addresses and routes, out of its desired state.  Pure.

Names are made of the networks' uuids, not counted: a tier that goes away renames nobody.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from tegar.model.router import RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.spec import NetworkSpec

METADATA_IP = "169.254.169.254"
GUEST, PUBLIC = "eth-", "pub-"
PUBLIC_OWN = (
    "169.254.1.1",
    "169.254.1.2",
)  # where the two of a pair hear each other beside the public addresses
OWN_MAC = ("0a", "0e")  # the first byte of what they have there in place of the shared one
ADVERTISED = "169.254.1.5/32"  # what the two of a pair name in their adverts, for that must never change
Network = ipaddress.IPv4Network


@dataclass(frozen=True)
class Link:
    """A NIC of the router.

    ``addresses`` (with prefix) are held always; ``floating`` by the primary of a pair only.
    ``neighbours`` are told for good: address and MAC.
    """

    name: str
    network: NetworkSpec
    mac: str
    addresses: tuple[str, ...]
    floating: tuple[str, ...] = ()
    neighbours: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Route:
    """A way by a next router on the segment of a NIC."""

    cidr: str
    via: str
    link: str


def subnet_link(subnet: SubnetSpec) -> str:
    """Return the name of the NIC in a guest network."""
    return f"{GUEST}{subnet.network.uuid[:8]}"


def uplink_link(uplink: UplinkSpec) -> str:
    """Return the name of the NIC that leads out."""
    return f"{PUBLIC}{uplink.network.uuid[:8]}"


def subnet_cidr(subnet: SubnetSpec) -> Network:
    """Return the guest network of the router's address."""
    return Network(f"{subnet.ip}/{subnet.prefix_len}", strict=False)


def uplink_cidr(uplink: UplinkSpec) -> Network:
    """Return the network that an uplink is in."""
    return Network(f"{uplink.addresses[0]}/{uplink.prefix_len}", strict=False)


def shared_ip(spec: RouterSpec, subnet: SubnetSpec) -> str:
    """Return the address at which guests find the router: of a pair it is the primary's."""
    return subnet.gateway if spec.pair and subnet.gateway else subnet.ip


def served_ips(spec: RouterSpec, subnet: SubnetSpec) -> tuple[str, ...]:
    """Return all addresses at which the router serves a subnet."""
    return tuple(dict.fromkeys((subnet.ip, shared_ip(spec, subnet), METADATA_IP)))


def public_ips(spec: RouterSpec) -> tuple[str, ...]:
    """Return all public addresses of the router."""
    return tuple(sorted({ip for uplink in spec.uplinks if not uplink.private for ip in uplink.addresses}))


def first_subnet(spec: RouterSpec) -> SubnetSpec:
    """Return the guest network on which the two of a pair hear each other."""
    return min((it for it in spec.subnets if it.peer_ip), key=lambda subnet: subnet.network.uuid)


def side(spec: RouterSpec) -> int:
    """Return which of the two of a pair this router is: the same for as long as their addresses are."""
    first = first_subnet(spec)
    return int(ipaddress.IPv4Address(first.ip) > ipaddress.IPv4Address(first.peer_ip))


def is_pair(spec: RouterSpec) -> bool:
    """Return whether there is another router to be heard: without a subnet there is nothing to share."""
    return spec.pair is not None and any(subnet.peer_ip for subnet in spec.subnets)


def links(spec: RouterSpec) -> tuple[Link, ...]:
    """Return the NICs that a router has."""
    return (
        *(_guest(spec, subnet) for subnet in spec.subnets),
        *(_public(spec, uplink) for uplink in spec.uplinks),
    )


def _guest(spec: RouterSpec, subnet: SubnetSpec) -> Link:
    own = f"{subnet.ip}/{subnet.prefix_len}"
    inside = {b.ip for b in spec.balancers if ipaddress.IPv4Address(b.ip) in subnet_cidr(subnet)}
    more = [f"{ip}/32" for ip in (METADATA_IP, *sorted(inside - {subnet.ip, shared_ip(spec, subnet)}))]
    link = Link(subnet_link(subnet), subnet.network, subnet.mac, (own, *more))
    if not is_pair(spec):
        return link
    shared = [f"{subnet.gateway}/{subnet.prefix_len}"] if subnet.gateway not in ("", subnet.ip) else []
    return Link(link.name, link.network, link.mac, (own,), (*shared, *more))


def _public(spec: RouterSpec, uplink: UplinkSpec) -> Link:
    own_first = sorted(uplink.addresses, key=lambda ip: (ip != uplink.source_nat, ip))
    addresses = tuple(f"{ip}/{uplink.prefix_len}" for ip in own_first)
    name = uplink_link(uplink)
    if not is_pair(spec):
        return Link(name, uplink.network, uplink.mac, addresses)
    here = side(spec)
    own, other = PUBLIC_OWN[here], PUBLIC_OWN[1 - here]
    return Link(
        name, uplink.network, own_mac(uplink.mac, here), (f"{own}/30",), addresses,
        neighbours=((other, own_mac(uplink.mac, 1 - here)),),
    )  # fmt: skip


def own_mac(shared: str, here: int) -> str:
    """Return the MAC of one of a pair on an uplink; the two cannot both have the shared one."""
    return OWN_MAC[here] + shared[2:]


def routes(spec: RouterSpec) -> tuple[Route, ...]:
    """Return where the router sends what is not of its own networks; the default route comes first."""
    found = []
    ways = [(subnet_cidr(subnet), subnet_link(subnet)) for subnet in spec.subnets]
    ways += [(uplink_cidr(uplink), uplink_link(uplink)) for uplink in spec.uplinks]
    default = next((uplink for uplink in spec.uplinks if not uplink.private and uplink.gateway), None)
    if default:
        found.append(Route("0.0.0.0/0", default.gateway, uplink_link(default)))
    elif spec.subnets and not spec.uplinks and _elsewhere(spec, spec.subnets[0]):
        found.append(Route("0.0.0.0/0", spec.subnets[0].gateway, subnet_link(spec.subnets[0])))
    for route in spec.routes:
        link = next((name for net, name in ways if ipaddress.IPv4Address(route.via) in net), None)
        if link:
            found.append(Route(str(Network(route.cidr, strict=False)), route.via, link))
    return tuple(found)


def wired(spec: RouterSpec) -> tuple[object, ...]:
    """Return all that NICs, addresses and routes are made from."""
    return links(spec), routes(spec), steered(spec)


def steered(spec: RouterSpec) -> tuple[UplinkSpec, ...]:
    """Return the further ways to public networks: what has an address there leaves there, by routes of its own."""
    public = [uplink for uplink in spec.uplinks if not uplink.private and uplink.gateway]
    return tuple(public[1:])


def _elsewhere(spec: RouterSpec, subnet: SubnetSpec) -> bool:
    """Return whether the guests' gateway is somebody else."""
    return not is_pair(spec) and subnet.gateway not in ("", subnet.ip)


def host_end(router_uuid: str, link: str) -> str:
    """Return the name of the host's end of a NIC."""
    return f"tgr{hashlib.sha256(f'{router_uuid}/{link}'.encode()).hexdigest()[:12]}"
