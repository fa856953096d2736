"""Firewall rules: what may come in to a public address, and what may go out of a network."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.rule import Match, Protocol, RuleState


class FirewallRule(Row):
    """One rule: of a public address (``address_id``) inbound, or of a network outbound.

    Attributes:
        cidrs: sources, as ``10.0.0.0/8,192.168.0.0/16``; empty: anywhere.
        destinations: destinations of outbound packets, likewise.
        automatic: it came with the rule that needs it, and goes with it.
    """

    __tablename__ = "firewall_rule"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    address_id: Mapped[int | None] = mapped_column(ForeignKey("public_address.id"), index=True)
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)
    protocol: Mapped[Protocol] = mapped_column()
    first_port: Mapped[int | None]
    last_port: Mapped[int | None]
    icmp_type: Mapped[int | None]
    icmp_code: Mapped[int | None]
    cidrs: Mapped[str] = mapped_column(Text, default="")
    destinations: Mapped[str] = mapped_column(Text, default="")
    automatic: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[bool] = mapped_column(default=True)

    def match(self) -> Match:
        """Return the packets that it is about."""
        return Match(
            protocol=self.protocol,
            sources=tuple(filter(None, self.cidrs.split(","))),
            destinations=tuple(filter(None, self.destinations.split(","))),
            first_port=self.first_port,
            last_port=self.last_port,
            icmp_type=self.icmp_type,
            icmp_code=self.icmp_code,
        )


def outbound(s: Session, network_id: int) -> Sequence[FirewallRule]:
    """Return the egress rules of a network that are in force or coming, oldest first."""
    stmt = select(FirewallRule).where(
        FirewallRule.network_id == network_id, FirewallRule.address_id.is_(None), live(FirewallRule)
    )
    return s.scalars(stmt.where(FirewallRule.state != RuleState.REVOKE).order_by(FirewallRule.id)).all()


def inbound(s: Session, address_ids: Sequence[int]) -> Sequence[FirewallRule]:
    """Return the ingress rules of addresses that are in force or coming, oldest first."""
    stmt = select(FirewallRule).where(FirewallRule.address_id.in_(address_ids), live(FirewallRule))
    return s.scalars(stmt.where(FirewallRule.state != RuleState.REVOKE).order_by(FirewallRule.id)).all()
