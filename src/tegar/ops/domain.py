"""Domains: the tree that accounts live in."""

from __future__ import annotations

import re

from sqlalchemy import select

from tegar.kernel.command import UUID
from tegar.kernel.db import by_uuid, live
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.errors import Exists
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain

MAX_LEVEL = 50
_DNS = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", re.IGNORECASE)


def create(ctx: Ctx, name: str, parent: Domain, *, network_domain: str | None, uuid: str | None) -> Domain:
    """Make a domain below another.

    Raises:
        BadParameter: the name cannot stand in a path.
        Exists: the parent has a child of that name.
        Refused: the tree would be too deep.
    """
    if not name.strip() or "/" in name:
        raise BadParameter("name", "it must not be empty or contain a slash")
    path = f"{parent.path}{name}/"
    if parent.level >= MAX_LEVEL or len(path) > 700:
        raise Refused(f"Domain {name} would lie too deep; a tree has at most {MAX_LEVEL} levels")
    lock(ctx, parent)
    if ctx.s.scalars(select(Domain.id).where(Domain.path == path, live(Domain))).first():
        raise Exists("domain", name)
    domain = Domain(
        uuid=free_uuid(ctx, Domain, "domainid", uuid),
        name=name,
        path=path,
        level=parent.level + 1,
        parent_id=parent.id,
        network_domain=dns_name("networkdomain", network_domain),
    )
    ctx.s.add(domain)
    ctx.s.flush()
    ctx.note("DOMAIN.CREATE", f"Domain {name} created", domain)
    return domain


def lock(ctx: Ctx, domain: Domain) -> None:
    """Let nobody else make names in a domain until this transaction ends, so that they stay unique."""
    ctx.s.execute(select(Domain.id).where(Domain.id == domain.id).with_for_update())


def free_uuid(ctx: Ctx, kind: type, parameter: str, uuid: str | None) -> str | None:
    """Return the uuid that a caller chose for something new; None lets us choose.

    Raises:
        BadParameter: it is no uuid, or taken.
    """
    if not uuid:
        return None
    if not UUID.match(uuid):
        raise BadParameter(parameter, "it is not a uuid in lower case")
    if by_uuid(ctx.s, kind, uuid) is not None:
        raise BadParameter(parameter, "it is taken")
    return uuid


def dns_name(parameter: str, text: str | None) -> str | None:
    """Return the DNS domain of networks, None for none.

    Raises:
        BadParameter: it is no DNS name.
    """
    if not text:
        return None
    if len(text) > 190 or not _DNS.match(text):
        raise BadParameter(parameter, f"{text[:60]!r} is not a DNS name, such as lab.example.org")
    return text
