"""Domains, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tegar.api.views.base import date, load, path_of
from tegar.api.views.limits import Limits, unlimited
from tegar.kernel.db import live
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain


class DomainView(Limits, total=False):
    """A domain; nothing is limited in this cloud."""

    id: str
    name: str
    level: int
    parentdomainid: str | None
    parentdomainname: str | None
    haschild: bool
    networkdomain: str | None
    path: str
    state: str
    created: str | None


def domains(ctx: Ctx, rows: Sequence[Domain]) -> list[DomainView]:
    """Return domains; a parent above the caller's own is not named."""
    parents = load(ctx.s, Domain, (d.parent_id for d in rows))
    children = select(Domain.parent_id).where(Domain.parent_id.in_([d.id for d in rows]), live(Domain))
    with_child = set(ctx.s.scalars(children.distinct()))
    views: list[DomainView] = []
    for d in rows:
        parent = parents.get(d.parent_id or 0)
        if parent is not None and not parent.path.startswith(ctx.domain.path):
            parent = None
        views.append(
            {
                "id": d.uuid,
                "name": d.name,
                "level": d.level,
                "parentdomainid": parent.uuid if parent else None,
                "parentdomainname": parent.name if parent else None,
                "haschild": d.id in with_child,
                "networkdomain": d.network_domain,
                "path": path_of(d),
                "state": "Active",
                "created": date(d.created_s),
                **unlimited(),
            }
        )
    return views
