"""One saga at a time where several would tell a host the same: who waits often finds it told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tegar.kernel.gate import outside


@contextmanager
def turn(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock that is kept while a host is asked; its waiters do not count as computing."""
    with outside():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
