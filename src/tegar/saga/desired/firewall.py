"""What is let through: in to public addresses, and out of networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from tegar.model.rule import Balancer, Match, Opening, PortForward, Protocol, StaticNat
from tegar.store import firewall
from tegar.store.addresses import PublicAddress


def openings(s: Session, held: Sequence[PublicAddress]) -> tuple[Opening, ...]:
    """Return what may come in to addresses, as their firewall rules say, oldest first."""
    ips = {a.id: a.ip for a in held}
    rules = firewall.inbound(s, list(ips))
    return tuple(Opening(ips[r.address_id], r.match()) for r in rules if r.address_id is not None)


def unguarded(
    ips: set[str],
    forwards: Iterable[PortForward],
    nats: Iterable[StaticNat],
    balancers: Iterable[Balancer],
) -> tuple[Opening, ...]:
    """Return what may come in to addresses whose networks have no firewall: all that leads somewhere."""
    found = [Opening(n.ip, Match(Protocol.ALL)) for n in nats if n.ip in ips]
    found += [
        Opening(f.ip, Match(f.protocol, f.sources, first_port=f.first_port, last_port=f.last_port))
        for f in forwards
        if f.ip in ips
    ]
    for b in balancers:
        if b.ip in ips:
            protocol = Protocol.UDP if b.protocol == "udp" else Protocol.TCP
            found.append(Opening(b.ip, Match(protocol, b.sources, first_port=b.port, last_port=b.port)))
    return tuple(found)


def egress(s: Session, network_id: int) -> tuple[Match, ...]:
    """Return the packets out of a network to which the opposite of the usual happens."""
    return tuple(rule.match() for rule in firewall.outbound(s, network_id))
