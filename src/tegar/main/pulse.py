"""Whether the database answers now, asked over a connection that commands do not share."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from tegar.kernel.clock import Clock

WITHIN_S = 1
QUESTION = (
    "SELECT 1 FROM lease LIMIT 1"  # a table: a Galera node without its cluster refuses this and not SELECT 1
)


def pulse(url: str, clock: Clock) -> Callable[[], bool]:
    """Return a function that says whether the database at *url* answers within a second or so.

    Commands may have all connections of their pool and wait for locks; this has its own and waits
    for none, so it is as fast as the database is.
    """
    limits: dict[str, object] = {"timeout": WITHIN_S, "check_same_thread": False}
    if not url.startswith("sqlite"):
        limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), WITHIN_S)
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=1,
        pool_timeout=WITHIN_S,
        connect_args=limits,
        isolation_level="AUTOCOMMIT",
    )

    def asked() -> bool:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(QUESTION)
        except SQLAlchemyError:
            return False
        return True

    def answers() -> bool:
        began_s = clock.mono_s()
        if asked():
            return True
        # At once an error: the kept connection was one to a node that is gone, and the next is a fresh one.
        return clock.mono_s() - began_s < WITHIN_S / 2 and asked()

    return answers
