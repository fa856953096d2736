"""How many sagas compute at the same moment, however many wait.

Python computes on one core at a time.  Hundreds of sagas that wait for hosts cost nothing, but
hundreds that all want to compute would keep the API from its turn.  So a saga's thread takes a
place while it computes and gives it up while it waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_mine = threading.local()


class Gate:
    """A number of places."""

    def __init__(self, places: int) -> None:
        self._free = threading.Semaphore(places)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Compute in one of the places."""
        self._free.acquire()
        _mine.gate = self
        try:
            yield
        finally:
            _mine.gate = None
            self._free.release()


@contextmanager
def outside() -> Iterator[None]:
    """Give the place up while waiting for something; of no effect in a thread that has none."""
    gate: Gate | None = getattr(_mine, "gate", None)
    if gate is None:
        yield
        return
    _mine.gate = None
    gate._free.release()
    try:
        yield
    finally:
        gate._free.acquire()
        _mine.gate = gate
