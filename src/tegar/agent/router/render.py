"""A router's desired state to the files of its bundle.  Pure.

A bundle lies in a directory of its own; ``current`` next to it points to the one that is in force.
All files name each other through ``current``, so switching that link switches them together.
"""

from __future__ import annotations

import ipaddress
import json
import re

from tegar.kernel import codec
from tegar.kernel.errors import Refused
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec

METADATA_IP = "169.254.169.254"
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*")
LINK = "eth0"  # the router's NIC in its namespace


def check(spec: RouterSpec) -> None:
    """Refuse words that could say more in a file than they should.

    Raises:
        Refused: an address, a MAC address or a name is none.
    """
    net = spec.subnets[0]
    try:
        subnet(net)
        for address in (*filter(None, (net.gateway,)), *net.dns, *(guest.ip for guest in net.guests)):
            ipaddress.IPv4Address(address)
    except ValueError as e:
        raise Refused(f"router {spec.uuid}: {e}") from e
    for mac in (net.mac, *(guest.mac for guest in net.guests)):
        if not _MAC.fullmatch(mac):
            raise Refused(f"{mac!r} is not a MAC address in lower case")
    for name in (net.domain, *(guest.hostname for guest in net.guests)):
        if name and not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is not a host or domain name")


def bundle(spec: RouterSpec, home: str) -> dict[str, str]:
    """Return all files of a router by name.

    Args:
        spec: the whole desired state.
        home: the router's directory, which holds ``current`` and the processes' own files.

    Raises:
        Refused: the spec holds something that is no address or name.
    """
    check(spec)
    net = spec.subnets[0]
    return {
        "spec.json": codec.encode(spec),
        "dnsmasq.conf": dnsmasq_conf(net, home),
        "dhcp-hosts": "".join(_lease(guest) for guest in net.guests),
        "hosts": dns_hosts(net),
        "rules.nft": rules(net),
        **{f"guests/{guest.ip}.json": metadata(guest) for guest in net.guests},
    }


def subnet(spec: SubnetSpec) -> ipaddress.IPv4Network:
    """Return the network of the router's address."""
    return ipaddress.IPv4Network(f"{spec.ip}/{spec.prefix_len}", strict=False)


def dnsmasq_conf(spec: SubnetSpec, home: str) -> str:
    """Return dnsmasq's settings: leases for known MACs only, names of guests, forwarding of the rest."""
    network = subnet(spec)
    routes = f"{METADATA_IP}/32,{spec.ip}" + (f",0.0.0.0/0,{spec.gateway}" if spec.gateway else "")
    lines = [
        "# Rendered by tegar-agent; changes are lost.",
        "no-resolv",
        "no-hosts",
        "no-poll",
        "log-facility=-",
        "quiet-dhcp",
        "bind-interfaces",
        f"interface={LINK}",
        "except-interface=lo",
        f"listen-address={spec.ip}",
        "user=dnsmasq",
        "group=nogroup",
        f"pid-file={home}/dnsmasq.pid",
        f"dhcp-leasefile={home}/leases",
        f"dhcp-hostsfile={home}/current/dhcp-hosts",
        f"addn-hosts={home}/current/hosts",
        f"dhcp-range={network.network_address},static,{network.netmask},infinite",
        "dhcp-ignore=tag:!known",
        "dhcp-authoritative",
        f"dhcp-lease-max={max(1000, 2 * len(spec.guests))}",
        f"dhcp-option=option:dns-server,{spec.ip}",
        # An empty value keeps dnsmasq from naming itself as the gateway.
        f"dhcp-option=option:router{',' + spec.gateway if spec.gateway else ''}",
        # Whoever obeys this option ignores the one above, so it names the gateway too.
        f"dhcp-option=option:classless-static-route,{routes}",
        "domain-needed",
        "bogus-priv",
        "cache-size=1000",
    ]
    if spec.domain:
        lines += [f"domain={spec.domain}", f"local=/{spec.domain}/", "expand-hosts"]
    lines += [f"server={resolver}" for resolver in spec.dns]
    return "".join(f"{line}\n" for line in lines)


def _lease(guest: GuestSpec) -> str:
    return ",".join(filter(None, (guest.mac, guest.ip, guest.hostname, "infinite"))) + "\n"


def dns_hosts(spec: SubnetSpec) -> str:
    """Return the names the resolver knows; with ``expand-hosts`` the domain is added."""
    names = [f"{guest.ip} {guest.hostname}\n" for guest in spec.guests if guest.hostname]
    return "".join([f"{spec.ip} data-server\n", *names])


def rules(spec: SubnetSpec) -> str:
    """Return the firewall: what the router serves to its segment, and nothing else."""
    return f"""\
flush ruleset
table inet tegar {{
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    iifname "{LINK}" udp dport 67 accept
    iifname "{LINK}" ip saddr {subnet(spec)} udp dport 53 accept
    iifname "{LINK}" ip saddr {subnet(spec)} tcp dport {{ 53, 80 }} accept
    iifname "{LINK}" icmp type echo-request limit rate 100/second accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
  }}
}}
"""


def metadata(guest: GuestSpec) -> str:
    """Return what the metadata service tells one guest; ``user_data`` stays base64."""
    own = {"local-ipv4": guest.ip, "local-hostname": guest.hostname, "instance-id": guest.vm_uuid}
    told = {
        "uuid": guest.vm_uuid,
        "hostname": guest.hostname,
        "user_data": guest.user_data,
        "public_keys": list(guest.public_keys),
        "meta": own | dict(guest.meta),
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"
