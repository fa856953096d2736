"""Audit events."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, select

from tegar.api.commands.base import OwnedList
from tegar.api.views.event import RESOURCE_TYPES, EventView, events
from tegar.kernel.command import param
from tegar.kernel.errors import BadParameter, NoSuchEntity
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account
from tegar.store.events import Event

_DAY_S = 86400


def moment(name: str, text: str, *, end: bool = False) -> float:
    """Return a date or a date and time, in UTC unless it says otherwise, in seconds since 1970.

    Args:
        name: the parameter's.
        text: ``2026-01-31``, ``2026-01-31 10:00:00`` or ``2026-01-31T10:00:00+0000``.
        end: whether a date without time means the end of that day.

    Raises:
        BadParameter: it is no date.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadParameter(
            name, f"{text[:40]!r} is not a date, such as 2026-01-31 or 2026-01-31 10:00:00"
        ) from None
    at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return at_s + _DAY_S - 1e-3 if end and len(text.strip()) <= len("2026-01-31") else at_s


class ListEvents(OwnedList):
    """List audit events, the newest first."""

    name = "listEvents"
    response = EventView
    view = staticmethod(events)

    id: Event | None = param("the event", default=None)
    type: str | None = param("of this type, such as VM.CREATE", default=None)
    level: str | None = param("INFO, WARN or ERROR", default=None)
    state: str | None = param("Created, Scheduled, Started or Completed", default=None)
    start_date: str | None = param("not before this moment", default=None)
    end_date: str | None = param("not after this moment", default=None)
    start_id: str | None = param("those that belong to this first event", default=None)
    resource_id: str | None = param("about this resource", default=None)
    resource_type: str | None = param("about resources of this type", default=None)
    archived: bool = param("archived ones too; none are", default=False)

    def run(self, ctx: Ctx) -> Page[Event]:
        stmt = select(Event).where(self._whose(ctx)).order_by(Event.id.desc())
        if self.id:
            stmt = stmt.where(Event.id == self.id.id)
        if self.type:
            stmt = stmt.where(Event.type == self.type.upper())
        if self.level:
            stmt = stmt.where(Event.level == self.level.upper())
        if self.state:
            stmt = stmt.where(Event.state == self.state.capitalize())
        if self.start_date:
            stmt = stmt.where(Event.created_s >= moment("startdate", self.start_date))
        if self.end_date:
            stmt = stmt.where(Event.created_s <= moment("enddate", self.end_date, end=True))
        if self.start_id:
            stmt = stmt.where(Event.start_uuid == self.start_id)
        if self.resource_id:
            stmt = stmt.where(Event.resource_uuid == self.resource_id)
        if self.resource_type:
            kept = {shown.lower(): name for name, shown in RESOURCE_TYPES.items()}
            wanted = kept.get(self.resource_type.lower(), self.resource_type)
            stmt = stmt.where(Event.resource_type == wanted)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Event.type, Event.description, Event.level))
        return self.fetch(ctx, stmt)

    def _whose(self, ctx: Ctx) -> ColumnElement[bool]:
        """Return the condition on accounts; events have no domain of their own."""
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        seen = access.visible(ctx, Event)
        if self.account is not None:
            return and_(seen, Event.account_id == access.owner(ctx, self.account, self.domain_id).id)
        if self.domain_id is not None:
            inside = select(Account.id).where(
                access.in_subtree(ctx, Account.domain_id, self.domain_id)
                if self.is_recursive
                else Account.domain_id == self.domain_id.id
            )
            return and_(seen, Event.account_id.in_(inside))
        if self.list_all or self.id:
            return seen
        return and_(seen, Event.account_id == ctx.account.id)


COMMANDS = (ListEvents,)
