"""Secondary addresses of NICs: the guest sets them up by itself, and may use no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.rule import RuleState
from tegar.store.networks import Nic


class NicAddress(Row):
    """One address more of a NIC, taken from its network; the host lets the NIC use it until it is ``Deleting``."""

    __tablename__ = "nic_address"

    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id"), index=True)
    ip: Mapped[str] = mapped_column(String(64))
    state: Mapped[RuleState] = mapped_column(default=RuleState.ADD)


def of_nics(s: Session, nic_ids: Iterable[int]) -> dict[int, list[NicAddress]]:
    """Return the secondary addresses of NICs by the NIC's id, oldest first; those that are being removed too."""
    stmt = select(NicAddress).where(NicAddress.nic_id.in_(list(nic_ids)), live(NicAddress))
    found: dict[int, list[NicAddress]] = defaultdict(list)
    for row in s.scalars(stmt.order_by(NicAddress.id)):
        found[row.nic_id].append(row)
    return found


def usable(rows: Iterable[NicAddress]) -> tuple[str, ...]:
    """Return those that the NIC may use."""
    return tuple(row.ip for row in rows if row.state != RuleState.REVOKE)


def forget(s: Session, nics: Sequence[Nic], now_s: float) -> None:
    """End the secondary addresses of NICs that are gone."""
    for rows in of_nics(s, [nic.id for nic in nics]).values():
        for row in rows:
            row.removed_s = now_s
