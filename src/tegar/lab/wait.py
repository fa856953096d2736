"""Waiting for a condition with a deadline, never for a time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from tegar.lab.errors import LabError

_PAUSE_S = 0.03


def until(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Return when *condition* holds.

    Raises:
        LabError: it did not hold within *timeout_s*; names *what* was awaited.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise LabError(f"gave up waiting for {what} after {timeout_s:g} s")
        time.sleep(_PAUSE_S)


def process_end(pid: int, timeout_s: float) -> bool:
    """Return whether a process has ended within *timeout_s*; it need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)
