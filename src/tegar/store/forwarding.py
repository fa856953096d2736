"""Port forwarding: ports of a public address that lead to a VM, and the ports of those that stand for one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Row, live
from tegar.model.rule import Protocol, RuleState


class ForwardingRule(Row):
    """One rule.

    Attributes:
        static_nat: the address stands for the VM anyway; the rule only says which ports are open.
        nic_id: the NIC that it leads to, and ``guest_ip``, which of that NIC's addresses.
        cidrs: sources, as ``10.0.0.0/8,192.168.0.0/16``; empty: anywhere.
        opening_id: the firewall rule that came with it and goes with it.
    """

    __tablename__ = "forwarding_rule"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("public_address.id"), index=True)
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    static_nat: Mapped[bool] = mapped_column(default=False)
    protocol: Mapped[Protocol] = mapped_column()
    first_port: Mapped[int]
    last_port: Mapped[int]
    to_first_port: Mapped[int]
    to_last_port: Mapped[int]
    nic_id: Mapped[int] = mapped_column(BIG, index=True)
    guest_ip: Mapped[str] = mapped_column(String(64))
    cidrs: Mapped[str] = mapped_column(Text, default="")
    opening_id: Mapped[int | None] = mapped_column(BIG)
    shown: Mapped[bool] = mapped_column(default=True)


def of_addresses(s: Session, address_ids: Sequence[int]) -> Sequence[ForwardingRule]:
    """Return the rules of addresses, oldest first; those that are being deleted too."""
    stmt = select(ForwardingRule).where(ForwardingRule.address_id.in_(address_ids), live(ForwardingRule))
    return s.scalars(stmt.order_by(ForwardingRule.id)).all()
