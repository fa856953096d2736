"""A lock whose waiters come in turn: those somebody waits for first, the others never left out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

IN_A_ROW = 8  # urgent ones before another has its turn


class Turns:
    """One at a time.  ``threading.Lock`` lets anybody in; under load that is whoever is luckiest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy, self._row = False, 0
        self._waiting: tuple[deque[threading.Event], deque[threading.Event]] = (deque(), deque())

    @contextmanager
    def mine(self, *, urgent: bool) -> Iterator[None]:
        """Hold the lock."""
        turn = threading.Event()
        with self._lock:
            if self._busy:
                self._waiting[0 if urgent else 1].append(turn)
            else:
                self._busy = True
                turn.set()
        turn.wait()
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        with self._lock:
            urgent, others = self._waiting
            if urgent and not (others and self._row >= IN_A_ROW):
                self._row += 1
                urgent.popleft().set()
            elif others:
                self._row = 0
                others.popleft().set()
            else:
                self._busy = False
