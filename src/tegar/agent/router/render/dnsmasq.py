"""DHCP and DNS of all guest networks: one dnsmasq, each network with options of its own."""

from __future__ import annotations

from collections.abc import Iterable

from tegar.agent.router import links
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec

SERVED = {"Dhcp", "Dns"}
SECOND = "second"  # tags the NIC of a VM whose default route leads elsewhere


def is_served(spec: RouterSpec) -> bool:
    """Return whether any network has DHCP or DNS from here."""
    return any(SERVED & set(subnet.services) for subnet in spec.subnets)


def conf(spec: RouterSpec, home: str) -> str:
    """Return dnsmasq's settings: leases for known MACs only, names of guests, forwarding of the rest."""
    subnets = [subnet for subnet in spec.subnets if SERVED & set(subnet.services)]
    lines = [
        "# Rendered by tegar-agent; changes are lost.",
        "no-resolv",
        "no-hosts",
        "no-poll",
        "log-facility=-",
        "quiet-dhcp",
        # Only addresses of guest networks are bound, also those that come later: public ones may be balancers'.
        "bind-dynamic",
        "except-interface=lo",
        "user=dnsmasq",
        "group=nogroup",
        f"pid-file={home}/dnsmasq.pid",
        f"dhcp-leasefile={home}/leases",
        f"dhcp-hostsfile={home}/current/dhcp-hosts",
        f"addn-hosts={home}/current/hosts",
        "dhcp-ignore=tag:!known",
        "dhcp-authoritative",
        f"dhcp-lease-max={max(1000, 2 * sum(len(subnet.guests) for subnet in subnets))}",
        "domain-needed",
        "bogus-priv",
        "localise-queries",
        "expand-hosts",
        "cache-size=1000",
    ]
    for subnet in subnets:
        lines += _subnet(spec, subnet)
    local = dict.fromkeys(subnet.domain for subnet in subnets if subnet.domain)
    lines += [f"local=/{domain}/" for domain in local]
    resolvers = dict.fromkeys(resolver for subnet in subnets for resolver in subnet.dns)
    lines += [f"server={resolver}" for resolver in resolvers]
    return "".join(f"{line}\n" for line in lines)


def _subnet(spec: RouterSpec, subnet: SubnetSpec) -> Iterable[str]:
    link, cidr = links.subnet_link(subnet), links.subnet_cidr(subnet)
    yield f"interface={link}"
    if "Dhcp" not in subnet.services:
        yield f"no-dhcp-interface={link}"
    else:
        yield from _dhcp(spec, subnet)
    if subnet.domain:
        yield f"domain={subnet.domain},{cidr}"


def _dhcp(spec: RouterSpec, subnet: SubnetSpec) -> Iterable[str]:
    link, cidr, own = links.subnet_link(subnet), links.subnet_cidr(subnet), links.shared_ip(spec, subnet)
    resolvers = (own,) if "Dns" in subnet.services else subnet.dns
    metadata = f"{links.METADATA_IP}/32,{own}"
    gateway = f",0.0.0.0/0,{subnet.gateway}" if subnet.gateway else ""
    # Who obeys option 121 (classless routes) ignores the router option, so it names the gateway too; an empty
    # router option keeps dnsmasq from naming itself.
    first, second = f"tag:{link},tag:!{SECOND}", f"tag:{link},tag:{SECOND}"
    yield f"dhcp-range=set:{link},{cidr.network_address},static,{cidr.netmask},infinite"
    if resolvers:
        yield f"dhcp-option=tag:{link},option:dns-server,{','.join(resolvers)}"
    yield f"dhcp-option={first},option:router{',' + subnet.gateway if subnet.gateway else ''}"
    yield f"dhcp-option={second},option:router"
    yield f"dhcp-option={first},option:classless-static-route,{metadata}{gateway}"
    yield f"dhcp-option={second},option:classless-static-route,{metadata}"


def leases(spec: RouterSpec) -> str:
    """Return the guests by MAC, for networks with DHCP."""
    return "".join(
        _lease(guest) for subnet in spec.subnets if "Dhcp" in subnet.services for guest in subnet.guests
    )


def _lease(guest: GuestSpec) -> str:
    tag = "" if guest.is_default else f"set:{SECOND}"
    return ",".join(filter(None, (guest.mac, tag, guest.ip, guest.hostname, "infinite"))) + "\n"


def hosts(spec: RouterSpec) -> str:
    """Return the names the resolver knows; the domain of each address is added."""
    rows = []
    for subnet in spec.subnets:
        rows.append(f"{links.shared_ip(spec, subnet)} data-server\n")
        rows += [f"{guest.ip} {guest.hostname}\n" for guest in subnet.guests if guest.hostname]
    return "".join(rows)
