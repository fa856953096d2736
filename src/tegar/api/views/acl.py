"""Network ACL lists and items, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load, uuid_of
from tegar.model.rule import Protocol
from tegar.ops.ctx import Ctx
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.vpcs import Vpc


class AclListView(TypedDict, total=False):
    """A list; the two stock lists are of no VPC."""

    id: str
    name: str
    description: str
    vpcid: str | None
    vpcname: str | None
    fordisplay: bool


class AclItemView(TypedDict, total=False):
    """An item of a list."""

    id: str
    aclid: str
    aclname: str
    number: int
    action: str
    traffictype: str
    protocol: str
    cidrlist: str
    startport: str | None
    endport: str | None
    icmptype: int | None
    icmpcode: int | None
    state: str
    reason: str | None
    fordisplay: bool
    tags: list[dict[str, Any]]


def acl_lists(ctx: Ctx, rows: Sequence[NetworkAclList]) -> list[AclListView]:
    """Return lists with their VPCs."""
    vpcs = load(ctx.s, Vpc, (r.vpc_id for r in rows))
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "description": r.description,
            "vpcid": uuid_of(vpcs, r.vpc_id),
            "vpcname": vpcs[r.vpc_id].name if r.vpc_id is not None else None,
            "fordisplay": r.shown,
        }
        for r in rows
    ]


def acl_items(ctx: Ctx, rows: Sequence[NetworkAclItem]) -> list[AclItemView]:
    """Return items with their lists."""
    lists = load(ctx.s, NetworkAclList, (r.list_id for r in rows))
    icmp = Protocol.ICMP
    return [
        {
            "id": r.uuid,
            "aclid": lists[r.list_id].uuid,
            "aclname": lists[r.list_id].name,
            "number": r.number,
            "action": "Allow" if r.allow else "Deny",
            "traffictype": "Ingress" if r.inbound else "Egress",
            "protocol": str(r.protocol_number) if r.protocol == Protocol.NUMBER else r.protocol.value,
            "cidrlist": r.cidrs or "0.0.0.0/0",
            "startport": None if r.first_port is None else str(r.first_port),
            "endport": None if r.last_port is None else str(r.last_port),
            "icmptype": (-1 if r.icmp_type is None else r.icmp_type) if r.protocol == icmp else None,
            "icmpcode": (-1 if r.icmp_code is None else r.icmp_code) if r.protocol == icmp else None,
            "state": r.state.value,
            "reason": r.reason,
            "fordisplay": r.shown,
            "tags": [],
        }
        for r in rows
    ]
