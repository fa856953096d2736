"""VMs that wait to be restarted after their host or their process died, in a table of their own."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tegar.kernel.db import BIG, Base


class Restart(Base):
    """One VM to be restarted.  The row is made with the proof's consumption and ends when the VM runs.

    ``death_id`` is the proof it consumed.  ``saga_id`` None: it waits, and ``held`` says for what.
    """

    __tablename__ = "restart"

    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True, autoincrement=False)
    death_id: Mapped[int] = mapped_column(BIG)
    from_host_id: Mapped[int] = mapped_column(ForeignKey("host.id"))
    queued_s: Mapped[float]
    saga_id: Mapped[int | None] = mapped_column(BIG)
    held: Mapped[str] = mapped_column(String(255), default="")
