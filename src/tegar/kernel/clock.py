"""Time.  Nothing else in Tegar sleeps or reads a clock."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Two readings and two ways to wait."""

    def now_s(self) -> float:
        """Return the wall time in seconds since 1970, for people to read."""
        ...

    def mono_s(self) -> float:
        """Return seconds on a clock that only moves forward, for measuring."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set; return whether it was within the time."""
        ...


class WallClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        """Return the wall time."""
        return time.time()

    def mono_s(self) -> float:
        """Return the monotonic time, which goes on during suspension."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait for the event."""
        return event.wait(timeout_s)


class ManualClock:
    """Time that moves when told to; sleeping moves it."""

    def __init__(self, start_s: float = 1_800_000_000.0) -> None:
        self._t = start_s

    def now_s(self) -> float:
        """Return the time it was set to."""
        return self._t

    def mono_s(self) -> float:
        """Return the same."""
        return self._t

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self._t += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Move on unless the event is set."""
        if not event.is_set():
            self._t += timeout_s
        return event.is_set()
