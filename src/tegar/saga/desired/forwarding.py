"""Where public addresses lead: ports to guests, whole addresses to guests."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tegar.model.rule import PortForward, RuleState, StaticNat
from tegar.store import forwarding
from tegar.store.addresses import PublicAddress


def forwards(s: Session, held: Sequence[PublicAddress], network_ids: set[int]) -> tuple[PortForward, ...]:
    """Return the port forwarding rules into networks, oldest first."""
    ips = {a.id: a.ip for a in held}
    return tuple(
        PortForward(
            ip=ips[rule.address_id],
            protocol=rule.protocol,
            first_port=rule.first_port,
            last_port=rule.last_port,
            to_ip=rule.guest_ip,
            to_first_port=rule.to_first_port,
            to_last_port=rule.to_last_port,
            sources=tuple(filter(None, rule.cidrs.split(","))),
        )
        for rule in forwarding.of_addresses(s, list(ips))
        if rule.state != RuleState.REVOKE and not rule.static_nat and rule.network_id in network_ids
    )


def static_nats(held: Sequence[PublicAddress], network_ids: set[int]) -> tuple[StaticNat, ...]:
    """Return the addresses that stand for a guest of networks."""
    return tuple(
        StaticNat(a.ip, a.guest_ip)
        for a in held
        if a.static_nat and a.guest_ip and a.network_id in network_ids
    )
