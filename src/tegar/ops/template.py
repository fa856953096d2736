"""Templates."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, false

from tegar.kernel.db import fire
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Denied
from tegar.model.template import Event, State
from tegar.ops import access, job
from tegar.ops.ctx import Ctx
from tegar.saga.template_delete import DELETE_TEMPLATE, DeleteTemplate
from tegar.saga.template_fetch import FETCH_TEMPLATE, FetchTemplate, stores_of
from tegar.store.images import Template
from tegar.store.zones import Zone

FORMATS = ("QCOW2", "RAW")
FILTERS = (
    "featured", "self", "selfexecutable", "sharedexecutable", "executable", "community", "all", "shared",
)  # fmt: skip
EVERYWHERE = "-1"


def clean_url(text: str) -> str:
    """Return an address that an image can be fetched from.

    Raises:
        BadParameter: not http or https, no server, or a password in it.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise BadParameter("url", f"{text[:80]!r} is not an address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadParameter("url", f"{text[:80]!r} is not an address such as https://server/image.qcow2")
    if "@" in parts.netloc:
        raise BadParameter("url", "it has a user name or password in it, which everybody could read")
    if any(c.isspace() for c in text):
        raise BadParameter("url", "it has a blank in it; write %20")
    return text


def zone_of(ctx: Ctx, zone_id: str | None, zone_ids: list[str] | None) -> Zone | None:
    """Return the zone of ``zoneid`` or ``zoneids``, None for all zones (``-1``).

    Raises:
        Refused: neither, both, or several.
        NoSuchEntity: there is no such zone for the caller.
    """
    wanted = {z for z in [*(zone_ids or []), zone_id or ""] if z}
    if len(wanted) != 1:
        raise Refused("Give one zone: zoneid, or zoneids with one id; -1 for all zones")
    found = wanted.pop()
    return None if found == EVERYWHERE else access.must_see(ctx, Zone, found, "zoneid")


def register(ctx: Ctx, template: Template) -> Template:
    """Write a template down and have it fetched.

    Raises:
        Denied: only administrators feature templates.
        Refused: the zone has no image store.
    """
    if template.featured and not ctx.is_admin:
        raise Denied("Only an administrator can feature a template; leave isfeatured out")
    if not stores_of(ctx.s, template.zone_id):
        where = f"Zone {ctx.s.get_one(Zone, template.zone_id).name} has" if template.zone_id else "There is"
        raise Refused(f"{where} no image store to keep the template; an operator adds one with addImageStore")
    ctx.s.add(template)
    ctx.s.flush()
    FETCH_TEMPLATE.submit(ctx.s, FetchTemplate(template.id))
    ctx.note("TEMPLATE.CREATE", f"Fetching template {template.name} from {template.url}", template)
    return template


def delete(ctx: Ctx, template: Template, zone: Zone | None) -> SagaRow:
    """Ask for a template to be removed; VMs made from it live on.

    Raises:
        Denied: somebody else's.
        Refused: it is in all zones and one was named.
        BadTransition: it is being fetched, or deleted already.
    """
    access.must_operate(ctx, template)
    if zone is not None and template.zone_id != zone.id:
        if template.zone_id is None:
            raise Refused(
                f"Template {template.name} is in all zones and is deleted from all: leave zoneid out"
            )
        raise Refused(f"Template {template.name} is not in zone {zone.name}")
    failed = template.state == State.FAILED
    fire(ctx.s, template, Event.DELETE)
    ctx.note("TEMPLATE.DELETE", f"Deleting template {template.name}", template)
    if failed:  # nothing is kept anywhere
        fire(ctx.s, template, Event.DELETED)
        template.removed_s = ctx.now_s
        return job.done(ctx, template)
    return DELETE_TEMPLATE.submit(ctx.s, DeleteTemplate(template.id), ctx.job(template))


def shown(ctx: Ctx, name: str, owned: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition of a ``templatefilter``.

    Args:
        ctx: the caller.
        name: the filter.
        owned: what counts as the caller's own here (``account``, ``listall`` and so on say).

    Raises:
        Denied: ``all`` is for administrators.
    """
    row, seen = Template, access.visible(ctx, Template)
    is_ready: Any = row.state == State.READY
    if name == "all":
        if not ctx.is_admin:
            raise Denied("Filter all can be specified by root admin only")
        return seen
    if name in ("shared", "sharedexecutable"):
        return false()  # nothing is shared with single accounts in this release
    if name == "featured":
        return and_(row.public.is_(True), row.featured.is_(True), is_ready)
    if name == "community":
        return and_(row.public.is_(True), row.featured.is_(False), is_ready)
    if name == "self":
        return owned
    if name == "selfexecutable":
        return and_(owned, is_ready)
    return and_(seen, is_ready)
