"""What a drill saw: marks on a line of time, runs, and the figures of all runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULT, START, END, PAUSE, ANSWER, STORY, GUARD = "fault", "start", "end", "pause", "answer", "story", "guard"


@dataclass(frozen=True)
class Mark:
    """Something that happened.

    Attributes:
        at_s: when, in seconds since 1970.
        kind: one of the words above; decides the colour.
        what: in words.
    """

    at_s: float
    kind: str
    what: str


@dataclass(frozen=True)
class Run:
    """One run of a drill.

    Attributes:
        number: counted from 1.
        began_s: when the fault was made, in seconds since 1970.
        seconds: the drill's figure, None if what it waits for never came.
        lost: writes that a guest's disk acknowledged and does not have.
        double_runs: VMs that were seen to run twice.
        failure: what is wrong beside that, in words.
        marks: what happened.
        facts: further figures.
    """

    number: int
    began_s: float
    seconds: float | None
    lost: int = 0
    double_runs: int = 0
    failure: str = ""
    marks: Sequence[Mark] = ()
    facts: Mapping[str, float] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least *percent* of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def figures(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and max, empty where there is nothing."""
    if not values:
        return {}
    found = {"p50": percentile(values, 50), "p99": percentile(values, 99), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def summary(name: str, limits_s: Mapping[str, float], runs: Sequence[Run]) -> dict[str, Any]:
    """Return the object that a drill prints on its last line."""
    seconds = figures([run.seconds for run in runs if run.seconds is not None])
    failures = [f"run {run.number}: {run.failure}" for run in runs if run.failure]
    lost, double_runs = sum(run.lost for run in runs), sum(run.double_runs for run in runs)
    kept = all(figure in seconds and seconds[figure] <= limit for figure, limit in limits_s.items())
    clean = bool(runs) and not failures and lost == 0 and double_runs == 0
    facts = {key for run in runs for key in run.facts}
    return {
        "drill": name,
        "runs": len(runs),
        "seconds": seconds,
        "limits_s": dict(limits_s),
        "lost": lost,
        "double_runs": double_runs,
        "failures": failures,
        "facts": {
            key: figures([run.facts[key] for run in runs if key in run.facts]) for key in sorted(facts)
        },
        "passed": clean and kept,
    }
