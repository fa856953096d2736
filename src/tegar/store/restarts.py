"""VMs that wait to be restarted after their host or their process died, in a table of their own."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import BIG, Base


class Restart(Base):
    """One VM to be restarted.  The row is made with the proof's consumption.

    It ends when the VM runs, or with a readiness gate when it is ready or others have waited long enough.
    ``death_id`` is the proof it consumed.  ``saga_id`` None: it waits, and ``held`` says for what; with a
    saga ``held`` says why the VM cannot be started now.  ``to_host_id`` is where it is planned to go,
    ``started_s`` when its start began, ``running_s`` when that ended.
    """

    __tablename__ = "restart"

    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True, autoincrement=False)
    death_id: Mapped[int] = mapped_column(BIG)
    from_host_id: Mapped[int] = mapped_column(ForeignKey("host.id"))
    queued_s: Mapped[float]
    saga_id: Mapped[int | None] = mapped_column(BIG)
    held: Mapped[str] = mapped_column(String(255), default="")
    to_host_id: Mapped[int | None] = mapped_column(BIG)
    started_s: Mapped[float | None]
    running_s: Mapped[float | None]


def queue(s: Session, vm_id: int, *, death_id: int, from_host_id: int, now_s: float) -> Restart:
    """Let a VM wait for its restart; one whose last restart is not over begins anew."""
    row = s.get(Restart, vm_id)
    if row is None:
        row = Restart(vm_id=vm_id, death_id=death_id, from_host_id=from_host_id, queued_s=now_s)
        s.add(row)
    row.death_id, row.from_host_id, row.queued_s, row.held = death_id, from_host_id, now_s, ""
    row.saga_id = row.to_host_id = row.started_s = row.running_s = None
    return row
