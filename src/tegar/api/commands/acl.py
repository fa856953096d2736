"""Network ACL lists."""

from __future__ import annotations

from sqlalchemy import false, or_, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.acl import AclListView, acl_lists
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, MissingParameter, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access, job
from tegar.ops import acl as ops
from tegar.ops.ctx import Ctx
from tegar.store.acls import NetworkAclList
from tegar.store.gateways import PrivateGateway
from tegar.store.networks import Network
from tegar.store.vpcs import Vpc


class CreateNetworkACLList(Command):
    """Create a network ACL list for tiers of a VPC; while it is empty it denies all."""

    name = "createNetworkACLList"
    is_async = True
    response = AclListView
    entity = NetworkAclList
    view = staticmethod(acl_lists)

    name_: str = param("its name, unique in the VPC", wire="name")
    description: str | None = param("what it is for", default=None, max_length=1024)
    vpc_id: Vpc | None = param("the VPC", default=None)
    for_display: bool = param("whether users see it", default=True, wire="fordisplay")

    def run(self, ctx: Ctx) -> SagaRow:
        if self.vpc_id is None:
            raise MissingParameter(self.name.lower(), "vpcid")
        if not self.name_.strip():
            raise BadParameter("name", "it must not be empty")
        made = ops.create_list(ctx, self.vpc_id, self.name_, self.description, shown=self.for_display)
        return job.done(ctx, made)


class UpdateNetworkACLList(Command):
    """Change what a network ACL list is called."""

    name = "updateNetworkACLList"
    is_async = True

    id: NetworkAclList = param("the list")
    name_: str | None = param("its new name", default=None, wire="name")
    description: str | None = param("its new description", default=None, max_length=1024)
    for_display: bool | None = param("whether users see it", default=None, wire="fordisplay")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.change_list(ctx, self.id, name=self.name_, text=self.description, shown=self.for_display)
        return job.done(ctx, self.id)


class DeleteNetworkACLList(Command):
    """Delete a network ACL list that no tier and no private gateway has."""

    name = "deleteNetworkACLList"
    is_async = True

    id: NetworkAclList = param("the list")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.delete_list(ctx, self.id)
        return job.done(ctx, self.id)


class ReplaceNetworkACLList(Command):
    """Give a tier or a private gateway another network ACL list."""

    name = "replaceNetworkACLList"
    is_async = True

    acl_id: NetworkAclList = param("the list")
    network_id: Network | None = param("the tier", default=None)
    gateway_id: PrivateGateway | None = param("or the private gateway", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        target = self.network_id or self.gateway_id
        if target is None or (self.network_id and self.gateway_id):
            raise Refused("Give networkid or gatewayid, and not both")
        return ops.replace(ctx, self.acl_id, target)


class ListNetworkACLLists(OwnedList):
    """List network ACL lists: those of VPCs and the two stock lists."""

    name = "listNetworkACLLists"
    response = AclListView
    view = staticmethod(acl_lists)

    id: NetworkAclList | None = param("the list", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    vpc_id: Vpc | None = param("that tiers of this VPC can have", default=None)
    network_id: Network | None = param("of this tier", default=None)
    for_display: bool | None = param("false: hidden ones", default=None, wire="fordisplay")

    def run(self, ctx: Ctx) -> Page[NetworkAclList]:
        row = NetworkAclList
        by_id = self.id is not None or self.network_id is not None or self.vpc_id is not None
        shown = or_(self.scope(ctx, row, by_id=by_id), row.vpc_id.is_(None))
        stmt = select(row).where(live(row), access.visible(ctx, row), shown).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.vpc_id is not None:
            stmt = stmt.where(or_(row.vpc_id == self.vpc_id.id, row.vpc_id.is_(None)))
        if self.network_id is not None:
            has = self.network_id.acl_list_id
            stmt = stmt.where(row.id == has if has is not None else false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.description))
        return self.fetch(ctx, stmt)


COMMANDS = (
    CreateNetworkACLList,
    UpdateNetworkACLList,
    DeleteNetworkACLList,
    ReplaceNetworkACLList,
    ListNetworkACLLists,
)
