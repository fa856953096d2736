"""True time, the events in it, and the story they tell."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any


class Violation(AssertionError):
    """An invariant was broken; the story says how it came to it."""


class Engine:
    """A heap of events.  True time is known to nobody in the simulation but the invariants."""

    def __init__(self, seed: int) -> None:
        """Begin at zero; everything random comes from the seed."""
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311 - a simulation
        self.now_s = 0.0
        self.story: list[str] = []
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, seconds: float, do: Callable[..., object], *args: Any) -> None:
        """Do it later, with these arguments."""
        self.at(self.now_s + seconds, do, *args)

    def at(self, when_s: float, do: Callable[..., object], *args: Any) -> None:
        """Do it at that true time, or now if that is over."""
        now_s, self._count = self.now_s, self._count + 1
        heapq.heappush(self._heap, (when_s if when_s > now_s else now_s, self._count, do, args))

    def run(self, until_s: float) -> None:
        """Let time pass up to then.

        Raises:
            Violation: an invariant broke; that ends it.
        """
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until_s:
            self.now_s, _, do, args = pop(heap)
            do(*args)
        self.now_s = until_s

    def say(self, text: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.now_s:8.3f}  {text}")

    def violate(self, text: str) -> None:
        """Say which invariant broke.

        Raises:
            Violation: always; its first line names the seed, the others tell the story.
        """
        self.say(f"VIOLATION: {text}")
        raise Violation("\n".join([f"seed {self.seed}: {text}", *self.story]))


class Rate:
    """A clock of one machine: a rate near true, and its own zero."""

    def __init__(self, engine: Engine, rate: float, zero_s: float) -> None:
        """Run at *rate* seconds a true second."""
        self._engine, self.rate, self._zero_s = engine, rate, zero_s

    def now_s(self) -> float:
        """Return this clock's reading."""
        return (self._engine.now_s - self._zero_s) * self.rate

    def true_s(self, reading_s: float) -> float:
        """Return the true time at which this clock will read so."""
        return reading_s / self.rate + self._zero_s
