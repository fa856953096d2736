"""A router's desired state to the files of its bundle.  Pure.

A bundle lies in a directory of its own; ``current`` next to it points to the one that is in force.
All files name each other through ``current``, so switching that link switches them together.
"""

from __future__ import annotations

from tegar.agent.router import links
from tegar.agent.router.render import conntrackd, dnsmasq, guests, haproxy, keepalived, nft
from tegar.agent.router.render.check import check
from tegar.kernel import codec
from tegar.model.router import RouterSpec


def bundle(spec: RouterSpec, home: str) -> dict[str, str]:
    """Return all files of a router by name.

    Args:
        spec: the whole desired state.
        home: the router's directory, which holds ``current`` and the processes' own files.

    Raises:
        Refused: the spec holds something that is no address or name.
    """
    check(spec)
    files = {"spec.json": codec.encode(spec), "rules.nft": nft.rules(spec)}
    if dnsmasq.is_served(spec):
        files["dnsmasq.conf"] = dnsmasq.conf(spec, home)
        files["dhcp-hosts"] = dnsmasq.leases(spec)
        files["hosts"] = dnsmasq.hosts(spec)
    if haproxy.balancers(spec):
        files["haproxy.cfg"] = haproxy.conf(spec, home)
        secured = [it for it in haproxy.balancers(spec) if it.protocol == "ssl"]
        files |= {haproxy.certificate_file(it): it.certificate for it in secured}
    if links.is_pair(spec):
        files["keepalived.conf"] = keepalived.conf(spec, home)
        files["role.sh"] = keepalived.role_script(spec, home)
        files["conntrackd.conf"] = conntrackd.conf(spec, home)
    for subnet in spec.subnets:
        if "UserData" in subnet.services:
            files |= {f"guests/{guest.ip}.json": guests.metadata(guest) for guest in subnet.guests}
    return files
