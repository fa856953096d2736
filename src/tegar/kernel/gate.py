"""How many sagas compute at the same moment, however many wait, and which of them come first.

Python computes on one core at a time.  Hundreds of sagas that wait for hosts cost nothing, but
hundreds that all want to compute would keep the API from its turn.  So a saga's thread takes a
place while it computes and gives it up while it waits.

A place that becomes free goes to the lowest rank that waits: so what brings VMs back does not stand
behind what users ask for, and of a thousand deployments those that began first also end first.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_mine = threading.local()

Rank = tuple[int, int]
"""How urgent, 0 before 1; then the saga's id."""


class Gate:
    """A number of places."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: list[tuple[Rank, int, threading.Lock]] = []
        self._arrived = 0

    @contextmanager
    def inside(self, rank: Rank) -> Iterator[None]:
        """Compute in one of the places."""
        self._take(rank)
        _mine.gate, _mine.rank = self, rank
        try:
            yield
        finally:
            _mine.gate = None
            self._give()

    def _take(self, rank: Rank) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._arrived += 1
            heapq.heappush(self._waiting, (rank, self._arrived, turn))
        turn.acquire()  # whoever gives its place up hands it to us

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[2].release()
            else:
                self._free += 1


@contextmanager
def outside() -> Iterator[None]:
    """Give the place up while waiting for something; of no effect in a thread that has none."""
    gate: Gate | None = getattr(_mine, "gate", None)
    if gate is None:
        yield
        return
    _mine.gate = None
    gate._give()
    try:
        yield
    finally:
        gate._take(_mine.rank)
        _mine.gate = gate
