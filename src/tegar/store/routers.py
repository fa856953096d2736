"""Virtual routers, and the groups that they serve in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base, Row, live
from tegar.model.router import Role


class RouterGroup(Base):
    """The routers of one network, or of all tiers of one VPC: one, or a pair.

    ``desired`` counts the changes of what they should do; a router that runs version n has obeyed
    all changes up to n.  Counted apart, for every NIC changes it.  ``swapped``: of a pair, the router at position 1
    is to be primary.
    """

    __tablename__ = "router_group"

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    desired: Mapped[int] = mapped_column(default=0)
    redundant: Mapped[bool] = mapped_column(default=False)
    swapped: Mapped[bool] = mapped_column(default=False)


class Router(Row):
    """A virtual router.  ``applied`` is the desired version that it runs.

    Attributes:
        position: 0, or 1 for the second of a pair.
        role: what it said last that it is; of one that is alone, PRIMARY.
        stopped: an operator wants it so.
        trouble: what was found wrong when its host was asked last; empty: nothing.
    """

    __tablename__ = "router"
    __table_args__ = (UniqueConstraint("group_id", "position"), Row.__table_args__)

    group_id: Mapped[int] = mapped_column(ForeignKey("router_group.id"))
    position: Mapped[int] = mapped_column(default=0)
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id"), index=True)
    applied: Mapped[int] = mapped_column(default=0)
    role: Mapped[str] = mapped_column(String(10), default=Role.UNKNOWN.value)
    role_since_s: Mapped[float | None]
    stopped: Mapped[bool] = mapped_column(default=False)
    trouble: Mapped[str] = mapped_column(String(200), default="")
    trouble_since_s: Mapped[float | None]


def want_again(s: Session, group_id: int | None) -> int:
    """Count a change of what the group's routers should do; return its version (0 for a network without any)."""
    if group_id is None:
        return 0
    s.execute(update(RouterGroup).where(RouterGroup.id == group_id).values(desired=RouterGroup.desired + 1))
    version = s.scalar(select(RouterGroup.desired).where(RouterGroup.id == group_id))
    return version or 0


def of_group(s: Session, group_id: int) -> Sequence[Router]:
    """Return the routers of a group in their order."""
    stmt = select(Router).where(Router.group_id == group_id, live(Router)).order_by(Router.position)
    return s.scalars(stmt).all()


def groups_on(s: Session, host_id: int) -> list[int]:
    """Return the groups that have a router on a host."""
    stmt = select(Router.group_id).where(Router.host_id == host_id, Router.stopped.is_(False), live(Router))
    return list(dict.fromkeys(s.scalars(stmt.order_by(Router.id))))
