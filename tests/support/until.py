"""Waiting for what other processes do: by looking, with a deadline, never by sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_AGAIN_S = 0.02


def until(condition: Callable[[], T], what: str, *, within_s: float = 20.0) -> T:
    """Return what the condition gives as soon as it is true; fail by name when it does not become so."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(LOOK_AGAIN_S)
