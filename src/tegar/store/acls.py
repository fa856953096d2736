"""Network ACLs: lists of numbered items that say what goes into a tier and out of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.rule import AclItem, Match, Protocol, RuleState
from tegar.store.stock import stock_uuid

ALLOW, DENY = "default_allow", "default_deny"


class NetworkAclList(Row):
    """A list of items for tiers and private gateways of one VPC; the two stock lists are of none, and everybody's."""

    __tablename__ = "network_acl_list"

    name: Mapped[str]
    description: Mapped[str] = mapped_column(String(1024))
    vpc_id: Mapped[int | None] = mapped_column(ForeignKey("vpc.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int | None] = mapped_column(ForeignKey("domain.id"))
    shown: Mapped[bool] = mapped_column(default=True)


class NetworkAclItem(Row):
    """One line of a list, in the order of ``number``; what no line names is denied.

    Attributes:
        inbound: it is of what goes into the tier, else of what leaves it.
        cidrs: where packets into a tier come from, or those out of it go to; empty: anywhere.
        protocol_number: of ``Protocol.NUMBER``.
    """

    __tablename__ = "network_acl_item"

    list_id: Mapped[int] = mapped_column(ForeignKey("network_acl_list.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int | None] = mapped_column(ForeignKey("domain.id"))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    number: Mapped[int]
    allow: Mapped[bool] = mapped_column(default=True)
    inbound: Mapped[bool] = mapped_column(default=True)
    protocol: Mapped[Protocol] = mapped_column()
    protocol_number: Mapped[int | None]
    first_port: Mapped[int | None]
    last_port: Mapped[int | None]
    icmp_type: Mapped[int | None]
    icmp_code: Mapped[int | None]
    cidrs: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str | None] = mapped_column(String(2500))
    shown: Mapped[bool] = mapped_column(default=True)

    def spec(self) -> AclItem:
        """Return the line as routers are told."""
        cidrs = tuple(filter(None, self.cidrs.split(",")))
        match = Match(
            protocol=self.protocol,
            sources=cidrs if self.inbound else (),
            destinations=() if self.inbound else cidrs,
            first_port=self.first_port,
            last_port=self.last_port,
            icmp_type=self.icmp_type,
            icmp_code=self.icmp_code,
            number=self.protocol_number,
        )
        return AclItem(self.number, self.allow, self.inbound, match)


def items(s: Session, list_id: int) -> Sequence[NetworkAclItem]:
    """Return the items of a list that are in force or coming, in their order."""
    stmt = select(NetworkAclItem).where(NetworkAclItem.list_id == list_id, live(NetworkAclItem))
    stmt = stmt.where(NetworkAclItem.state != RuleState.REVOKE)
    return s.scalars(stmt.order_by(NetworkAclItem.number, NetworkAclItem.id)).all()


def last_number(s: Session, list_id: int) -> int:
    """Return the greatest number in a list, 0 when it is empty."""
    stmt = select(func.max(NetworkAclItem.number))
    return s.scalar(stmt.where(NetworkAclItem.list_id == list_id, live(NetworkAclItem))) or 0


def stock_list(s: Session, name: str) -> NetworkAclList | None:
    """Return a stock list; None in a cloud whose servers did not start yet."""
    return s.scalars(
        select(NetworkAclList).where(NetworkAclList.uuid == stock_uuid(NetworkAclList, name))
    ).one_or_none()
