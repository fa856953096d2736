"""Named leases with a fencing number, and how the death of a holder is noticed.

A holder beats: it adds one to a number in the lease's row.  An observer notes on its own
clock for how long it saw the number not change.  No clock of one machine is ever compared with
another's, and a holder that slept too long finds out at its next beat, because whoever
took the lease changed its fence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import String, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.clock import Clock
from tegar.kernel.db import Base, Db

TTL_S = 2.5  # a holder not seen to beat for so long has lost the lease
BEAT_S = 0.6
FOUND_S = (
    1.0  # a look finds so much silence at most: who was away, as all are when the database is, saw nobody die
)


class Lease(Base):
    """One lease.  ``holder`` is empty when nobody has it."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    fence: Mapped[int]
    beat: Mapped[int]
    what: Mapped[str]


def changed(s: Session, statement: object) -> int:
    """Execute an update and return how many rows it changed."""
    result = s.execute(statement)  # type: ignore[call-overload]
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


@dataclass(frozen=True)
class Sight:
    """A beat that was seen: when last, and for how long it has not changed, on the observer's clock."""

    holder: str
    beat: int
    fence: int
    at_s: float
    silent_s: float = 0.0


class Leases:
    """The leases as one process sees them."""

    def __init__(self, db: Db, clock: Clock, *, ttl_s: float = TTL_S) -> None:
        self._db, self._clock, self._ttl_s = db, clock, ttl_s
        self._seen: dict[str, Sight] = {}

    def take(self, name: str, holder: str, what: str = "") -> int | None:
        """Take a lease that is free, or whose holder was seen dead; return its fencing number or None."""

        def work(s: Session) -> int | None:
            row = s.get(Lease, name)
            if row is None:
                s.execute(insert(Lease).values(name=name, holder=holder, fence=1, beat=0, what=what))
                return 1
            if row.holder and not self._dead(row):
                return None
            fence = row.fence + 1  # now: the update below refreshes the row
            mine = update(Lease).where(Lease.name == name, Lease.fence == row.fence, Lease.beat == row.beat)
            done = changed(s, mine.values(holder=holder, fence=fence, beat=0, what=what))
            return fence if done else None

        try:
            return self._db.tx(work)
        except IntegrityError:  # somebody made the row at the same moment
            return None

    def beat(self, name: str, holder: str, fence: int) -> bool:
        """Renew; False means the lease is lost and everything done in its name must stop."""
        mine = update(Lease).where(Lease.name == name, Lease.holder == holder, Lease.fence == fence)
        return self._db.tx(lambda s: changed(s, mine.values(beat=Lease.beat + 1))) == 1

    def give_up(self, name: str, holder: str, fence: int) -> None:
        """Release a lease so that others need not wait."""
        mine = update(Lease).where(Lease.name == name, Lease.holder == holder, Lease.fence == fence)
        self._db.tx(lambda s: changed(s, mine.values(holder="", fence=fence + 1)))

    def look(self, prefix: str) -> list[Sight]:
        """Note all beats of the leases whose names begin so; return the sights of those that died."""
        rows = self._db.read(lambda s: s.scalars(select(Lease).where(Lease.name.startswith(prefix))).all())
        dead = []
        for row in rows:
            if self._dead(row) or not row.holder:
                dead.append(replace(self._seen[row.name], holder=row.name))
        return dead

    def bury(self, name: str, sight: Sight) -> None:
        """Take a dead holder's lease away for good: its next beat fails.  Its row is removed."""

        def work(s: Session) -> None:
            row = s.get(Lease, name)
            if row and row.beat == sight.beat and row.fence == sight.fence:
                s.delete(row)

        self._db.tx(work)

    def _dead(self, row: Lease) -> bool:
        now = self._clock.mono_s()
        seen = self._seen.get(row.name)
        if seen is None or (seen.beat, seen.fence) != (row.beat, row.fence):
            self._seen[row.name] = Sight(row.holder, row.beat, row.fence, now)
            return False
        silent_s = seen.silent_s + min(now - seen.at_s, FOUND_S)
        self._seen[row.name] = replace(seen, at_s=now, silent_s=silent_s)
        return silent_s > self._ttl_s
