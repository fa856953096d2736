"""TLS certificates, as the API shows them: never their keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import select

from tegar.api.views.base import load
from tegar.kernel.db import live
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.balancers import LoadBalancer
from tegar.store.certificates import SslCert


class SslCertView(TypedDict, total=False):
    """A certificate and the load balancers that show it."""

    id: str
    name: str
    certificate: str
    certchain: str | None
    fingerprint: str
    account: str
    domainid: str
    domain: str
    loadbalancerrulelist: list[str]


def ssl_certs(ctx: Ctx, rows: Sequence[SslCert]) -> list[SslCertView]:
    """Return certificates."""
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    used: dict[int | None, list[str]] = defaultdict(list)
    stmt = select(LoadBalancer.cert_id, LoadBalancer.uuid).where(
        LoadBalancer.cert_id.in_([r.id for r in rows]), live(LoadBalancer)
    )
    for cert_id, uuid in ctx.s.execute(stmt.order_by(LoadBalancer.id)):
        used[cert_id].append(uuid)
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "certificate": r.certificate,
            "certchain": r.chain or None,
            "fingerprint": r.fingerprint,
            "account": accounts[r.account_id].name,
            "domainid": domains[r.domain_id].uuid,
            "domain": domains[r.domain_id].name,
            "loadbalancerrulelist": used[r.id],
        }
        for r in rows
    ]
