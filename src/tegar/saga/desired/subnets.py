"""A guest network as its router is told: addresses, names, services."""

from __future__ import annotations

import ipaddress

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.router import SERVICES, SubnetSpec
from tegar.saga.desired import acl, firewall, guests
from tegar.saga.spec import network_spec
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import Router
from tegar.store.zones import Zone


def of(s: Session, network: Network, router: Router) -> SubnetSpec:
    """Return the subnet of a network, as a router that has a NIC in it sees it."""
    zone = s.get_one(Zone, network.zone_id)
    offering = s.get_one(NetworkOffering, network.offering_id)
    own, peer = _nics(s, network, router)
    dns = [d for d in (network.dns1, network.dns2) if d] or [d for d in (zone.dns1, zone.dns2) if d]
    offered = {part.partition("=")[0] for part in offering.services.split(",")}
    return SubnetSpec(
        network=network_spec(network),
        mac=own.mac,
        ip=own.ip,
        prefix_len=ipaddress.ip_network(network.cidr).prefixlen,
        gateway=network.gateway,
        domain=network.network_domain,
        dns=tuple(dns),
        guests=tuple(guests.of(s, network, zone)),
        services=tuple(name for name in SERVICES if name in offered),
        peer_ip=peer.ip if peer else "",
        egress_allowed=offering.egress_allowed,
        egress=firewall.egress(s, network.id),
        acl=acl.of(s, network.acl_list_id),
    )


def _nics(s: Session, network: Network, router: Router) -> tuple[Nic, Nic | None]:
    """Return the router's NIC in the network, and that of the other one of its pair."""
    stmt = select(Nic).where(Nic.network_id == network.id, Nic.router_id.is_not(None), live(Nic))
    found = {nic.router_id: nic for nic in s.scalars(stmt)}
    own = found.pop(router.id)
    return own, next(iter(found.values()), None)
