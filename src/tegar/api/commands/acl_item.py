"""Items of network ACL lists."""

from __future__ import annotations

from sqlalchemy import false, or_, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.acl import AclItemView, acl_items
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops import acl as ops
from tegar.ops.ctx import Ctx
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.networks import Network

ACTIONS, WAYS = ("Allow", "Deny"), ("Ingress", "Egress")
_PROTOCOL = "tcp, udp, icmp, all or the number of a protocol"
_CIDRS = "where packets come from (ingress) or go to (egress); anywhere by default"
_ICMP_TYPE, _ICMP_CODE = "ICMP type, -1 for all", "ICMP code, -1 for all"


class _Item(Command):
    is_async = True
    response = AclItemView
    entity = NetworkAclItem
    view = staticmethod(acl_items)


def _is(value: str | None, yes: str) -> bool | None:
    return None if not value else value == yes


class CreateNetworkACL(_Item):
    """Add an item to a network ACL list; done when the routers obey it."""

    name = "createNetworkACL"

    protocol: str = param(_PROTOCOL)
    acl_id: NetworkAclList | None = param("the list", default=None)
    network_id: Network | None = param("or a tier that has it", default=None)
    number: int | None = param("its place, from 1; after all others by default", default=None)
    action: str = param("Allow or Deny", default="Allow", choices=ACTIONS)
    traffic_type: str = param("Ingress or Egress", default="Ingress", choices=WAYS, wire="traffictype")
    cidr_list: list[str] | None = param(_CIDRS, default=None)
    start_port: int | None = param("first port of tcp and udp; all by default", default=None)
    end_port: int | None = param("last port; the first by default", default=None)
    icmp_type: int | None = param(_ICMP_TYPE, default=None)
    icmp_code: int | None = param(_ICMP_CODE, default=None)
    reason: str | None = param("why it is there", default=None, max_length=2500)
    for_display: bool = param("whether users see it", default=True, wire="fordisplay")

    def run(self, ctx: Ctx) -> SagaRow:
        line = ops.Line(
            protocol=self.protocol,
            cidrs=self.cidr_list,
            first_port=self.start_port,
            last_port=self.end_port,
            icmp_type=self.icmp_type,
            icmp_code=self.icmp_code,
            number=self.number,
            allow=_is(self.action, "Allow"),
            inbound=_is(self.traffic_type, "Ingress"),
            reason=self.reason,
            shown=self.for_display,
        )
        return ops.create(ctx, self._list(ctx), line)

    def _list(self, ctx: Ctx) -> NetworkAclList:
        if self.acl_id is not None:
            return self.acl_id
        if self.network_id is None:
            raise Refused("Give aclid, or networkid of a tier that has a list")
        access.must_operate(ctx, self.network_id)
        if self.network_id.acl_list_id is None:
            raise Refused(f"Network {self.network_id.name} has no network ACL list")
        return ctx.s.get_one(NetworkAclList, self.network_id.acl_list_id)


class UpdateNetworkACLItem(_Item):
    """Change an item of a network ACL list; done when the routers obey it."""

    name = "updateNetworkACLItem"

    id: NetworkAclItem = param("the item")
    protocol: str | None = param(_PROTOCOL, default=None)
    number: int | None = param("its place, from 1", default=None)
    action: str | None = param("Allow or Deny", default=None, choices=ACTIONS)
    traffic_type: str | None = param("Ingress or Egress", default=None, choices=WAYS, wire="traffictype")
    cidr_list: list[str] | None = param(_CIDRS, default=None)
    start_port: int | None = param("first port of tcp and udp", default=None)
    end_port: int | None = param("last port; the first by default", default=None)
    icmp_type: int | None = param(_ICMP_TYPE, default=None)
    icmp_code: int | None = param(_ICMP_CODE, default=None)
    reason: str | None = param("why it is there", default=None, max_length=2500)
    for_display: bool | None = param("whether users see it", default=None, wire="fordisplay")
    partial_upgrade: bool = param("false: ports, ICMP and CIDRs that are not said are any", default=True)

    def run(self, ctx: Ctx) -> SagaRow:
        line = ops.Line(
            protocol=self.protocol,
            cidrs=self.cidr_list,
            first_port=self.start_port,
            last_port=self.end_port,
            icmp_type=self.icmp_type,
            icmp_code=self.icmp_code,
            number=self.number,
            allow=_is(self.action, "Allow"),
            inbound=_is(self.traffic_type, "Ingress"),
            reason=self.reason,
            shown=self.for_display,
        )
        return ops.change(ctx, self.id, line, partial=self.partial_upgrade)


class DeleteNetworkACL(Command):
    """Delete an item of a network ACL list; done when the routers do without it."""

    name = "deleteNetworkACL"
    is_async = True

    id: NetworkAclItem = param("the item")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class MoveNetworkAclItem(_Item):
    """Put an item of a network ACL list between two others."""

    name = "moveNetworkAclItem"
    roles = ADMIN

    id: NetworkAclItem = param("the item")
    previous_acl_rule_id: NetworkAclItem | None = param("the item that it comes after", default=None)
    next_acl_rule_id: NetworkAclItem | None = param("the item that it comes before", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.move(ctx, self.id, self.previous_acl_rule_id, self.next_acl_rule_id)


class ListNetworkACLs(OwnedList):
    """List items of network ACL lists in their order."""

    name = "listNetworkACLs"
    response = AclItemView
    view = staticmethod(acl_items)

    id: NetworkAclItem | None = param("the item", default=None)
    acl_id: NetworkAclList | None = param("of this list", default=None)
    network_id: Network | None = param("of this tier", default=None)
    action: str | None = param("Allow or Deny", default=None, choices=ACTIONS)
    traffic_type: str | None = param("Ingress or Egress", default=None, choices=WAYS, wire="traffictype")
    protocol: str | None = param("of this protocol", default=None)
    for_display: bool | None = param("false: hidden ones", default=None, wire="fordisplay")

    def run(self, ctx: Ctx) -> Page[NetworkAclItem]:
        row = NetworkAclItem
        by_id = self.id is not None or self.acl_id is not None or self.network_id is not None
        shown = or_(self.scope(ctx, row, by_id=by_id), row.account_id.is_(None))
        stmt = select(row).where(live(row), access.visible(ctx, row), shown)
        stmt = only(
            stmt.order_by(row.list_id, row.number, row.id),
            (row.id, self.id),
            (row.list_id, self.acl_id),
            (row.allow, _is(self.action, "Allow")),
            (row.inbound, _is(self.traffic_type, "Ingress")),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.protocol:
            kind, number = ops.protocol_of(self.protocol)
            stmt = only(stmt.where(row.protocol == kind), (row.protocol_number, number))
        if self.network_id is not None:
            has = self.network_id.acl_list_id
            stmt = stmt.where(row.list_id == has if has is not None else false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.reason, row.cidrs))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateNetworkACL, UpdateNetworkACLItem, DeleteNetworkACL, MoveNetworkAclItem, ListNetworkACLs)
