"""What lists of offerings share: for whom, where, of which storage."""

from __future__ import annotations

from tegar.api.commands.base import OwnedList
from tegar.kernel.command import param
from tegar.kernel.errors import NoSuchEntity
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.zones import Zone


class OfferedList(OwnedList):
    """A list of offerings, which nobody owns: ``account`` and ``domainid`` say to whom they are offered."""

    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("offered in this zone", default=None)
    state: str | None = param("Active, or Inactive, which are never listed", default=None)
    storage_type: str | None = param("shared or local", default=None)

    def audience(self, ctx: Ctx) -> Domain | None:
        """Return the domain to which it must be offered, None for the caller's view.

        Raises:
            NoSuchEntity: an unknown project.
            Denied: an unknown account.
        """
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        if self.account:
            return ctx.s.get_one(Domain, access.owner(ctx, self.account, self.domain_id).domain_id)
        return self.domain_id
