"""What clients noticed of a fault: gaps between answers, failed requests, and whether a transfer survived.  Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORTH_TELLING_S = 0.25


@dataclass(frozen=True)
class Gap:
    """A time without an answer, in seconds since 1970, and whose."""

    from_s: float
    to_s: float
    whose: str

    @property
    def length_s(self) -> float:
        """How long it was."""
        return self.to_s - self.from_s


@dataclass(frozen=True)
class Noticed:
    """What came of one run's traffic.

    Attributes:
        facts: figures: gaps in seconds, requests that failed.
        lost: blocks of the transfer that are missing or wrong.
        failure: what must not be, in words.
        gaps: those worth telling.
    """

    facts: Mapping[str, float]
    lost: int
    failure: str
    gaps: Sequence[Gap]


def noticed(asked: Sequence[Sequence[float | None]], took: Mapping[str, Any], fault_s: float) -> Noticed:
    """Return what was noticed from the fault on.

    Args:
        asked: for each request when it was sent, and when answered or None.
        took: what ``traffic take`` printed.
        fault_s: when the fault was made, in seconds since 1970.
    """
    answers = sorted(done_s for _, done_s in asked if done_s is not None)
    mine = [(sent_s, done_s) for sent_s, done_s in asked if sent_s is not None and sent_s >= fault_s]
    slow = [done_s - sent_s for sent_s, done_s in mine if done_s is not None]
    found = {
        whose: gaps(times, fault_s, whose)
        for whose, times in (("requests", answers), ("transfer", took["times"]))
    }
    longest_s = {
        f"{whose}_gap_s": max((gap.length_s for gap in its), default=0.0) for whose, its in found.items()
    }
    facts = {
        "gap_s": max(longest_s.values()),
        **longest_s,
        "requests": float(len(mine)),
        "failed_requests": float(sum(done_s is None for _, done_s in mine)),
        "slowest_answer_s": max(slow, default=0.0),
    }
    failure = "" if took["ended"] == "whole" else f"the transfer did not survive: {took['ended']}"
    told = [gap for its in found.values() for gap in its if gap.length_s > WORTH_TELLING_S]
    return Noticed(facts, int(took["wrong"]), failure, told)


def gaps(times: Sequence[float], since_s: float, whose: str) -> list[Gap]:
    """Return the times between two of the moments, the later of which is after *since_s*."""
    return [Gap(before, after, whose) for before, after in itertools.pairwise(times) if after >= since_s]
