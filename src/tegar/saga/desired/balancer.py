"""Load balancers as routers are told; with certificates, whose keys only the vault opens."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.secret import Vault
from tegar.model.rule import Balancer, HealthCheck, Member, RuleState, Stickiness
from tegar.store import balancers as store
from tegar.store.addresses import PublicAddress
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.certificates import SslCert


def balancers(
    s: Session, held: Sequence[PublicAddress], network_ids: set[int], vault: Vault | None
) -> tuple[Balancer, ...]:
    """Return the load balancers of addresses into networks, oldest first."""
    ips = {a.id: a.ip for a in held}
    rules = [
        r
        for r in store.of_addresses(s, list(ips))
        if r.state != RuleState.REVOKE and r.network_id in network_ids
    ]
    ids = [r.id for r in rules]
    members: dict[int, list[Member]] = defaultdict(list)
    ports = {r.id: r.private_port for r in rules}
    for m in store.members(s, ids):
        if m.state != RuleState.REVOKE:
            members[m.balancer_id].append(Member(m.guest_ip, ports[m.balancer_id]))
    sticks = {p.balancer_id: _stickiness(p) for p in _in_force(s, StickinessPolicy, ids)}
    checks = {p.balancer_id: _health(p) for p in _in_force(s, HealthPolicy, ids)}
    pems = _pems(s, {r.cert_id for r in rules if r.cert_id is not None}, vault)
    return tuple(
        Balancer(
            uuid=r.uuid,
            ip=ips[r.address_id],
            port=r.public_port,
            algorithm=r.algorithm,
            protocol=r.protocol,
            members=tuple(members[r.id]),
            sources=tuple(filter(None, r.cidrs.split(","))),
            stickiness=sticks.get(r.id),
            health=checks.get(r.id),
            certificate=pems.get(r.cert_id or 0, ""),
        )
        for r in rules
        if _complete(r)
    )


def _complete(rule: LoadBalancer) -> bool:
    """Return whether a rule can be served: one of TLS waits for its certificate."""
    return rule.protocol != "ssl" or rule.cert_id is not None


def _in_force(
    s: Session, kind: type[StickinessPolicy] | type[HealthPolicy], ids: Sequence[int]
) -> Sequence[StickinessPolicy | HealthPolicy]:
    return [p for p in store.policies(s, kind, ids) if p.state != RuleState.REVOKE]


def _stickiness(policy: StickinessPolicy | HealthPolicy) -> Stickiness:
    assert isinstance(policy, StickinessPolicy)
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", policy.name)[:64]  # it becomes the name of a cookie
    return Stickiness(policy.method, plain, tuple(sorted(json.loads(policy.params).items())))


def _health(policy: StickinessPolicy | HealthPolicy) -> HealthCheck:
    assert isinstance(policy, HealthPolicy)
    return HealthCheck(
        policy.path, float(policy.interval_s), float(policy.timeout_s), policy.healthy, policy.unhealthy
    )


def _pems(s: Session, ids: set[int], vault: Vault | None) -> dict[int, str]:
    """Return certificates, their chains and keys, as HAProxy reads them."""
    if not ids or vault is None:
        return {}
    return {
        cert.id: "\n".join(
            part.strip()
            for part in (cert.certificate, cert.chain, vault.open(cert.key_sealed).reveal())
            if part
        )
        + "\n"
        for cert in s.scalars(select(SslCert).where(SslCert.id.in_(ids)))
    }
