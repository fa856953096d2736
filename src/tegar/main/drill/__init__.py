"""``tegar drill``: hurt a cloud of its own, again and again, and measure how it heals."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tegar.lab.errors import LabError
from tegar.main.client import ApiFailed
from tegar.main.down import take_down
from tegar.main.drill.marks import Run, summary
from tegar.main.drill.report import page
from tegar.main.drill.stage import DrillError, Options, Say, Stage, open_stage
from tegar.main.drill.table import DRILLS, Drill, Measured, OwnCloud
from tegar.main.drill.watch import watching
from tegar.main.local import LocalError, Place

FAILURES = (DrillError, LocalError, LabError, ApiFailed, httpx.HTTPError)


def main_drill(argv: Sequence[str]) -> int:
    """Run ``tegar drill``; 0 if all was as it should be."""
    parser = argparse.ArgumentParser(prog="tegar drill", description="Hurt a cloud of its own and measure.")
    parser.add_argument("name", choices=sorted(DRILLS))
    parser.add_argument("--runs", type=int, default=20, help="how often")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--keep", action="store_true", help="leave the cloud as it is afterwards")
    parser.add_argument("--bmc", action="store_true", help="with baseboard controllers")
    parser.add_argument("--hold", type=float, default=0.0, help="how long a fault lasts, in seconds")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--single", action="store_true", help="router-host-loss: of a router that is alone")
    kinds.add_argument(
        "--partition",
        choices=("guest", "public"),
        help="router-host-loss: a pair that is cut apart on a side",
    )
    parser.add_argument("--dir", type=Path, default=Path(".tegar-drill"), help="where cloud and reports are")
    given = parser.parse_args(argv)
    given.name += "-single" if given.single else f"-partition-{given.partition}" if given.partition else ""
    if given.name not in DRILLS:
        parser.error("only router-host-loss knows --single and --partition")
    began_s = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began_s:6.1f} s] {text}", file=sys.stderr, flush=True)

    drill, options = DRILLS[given.name], Options(given.runs, given.hold, given.bmc)
    runs: list[Run] = []
    if isinstance(drill, Measured):
        found = {"drill": given.name, **drill.measure(say, options.runs)}
        return _tell(given, found | {"passed": drill.passed(found)}, runs, say)
    trouble = ""
    try:
        with redirect_stdout(sys.stderr):
            _perform(given.name, drill, given.dir, options, runs, say)
    except FAILURES as e:
        trouble = str(e)
        say(f"the drill ends here: {trouble}")
    finally:
        if not given.keep:
            take_down(Place(given.dir.absolute()), say)
    found = summary(given.name, _limits_s(drill, options), runs)
    if trouble:
        found |= {"passed": False, "failures": [*found["failures"], trouble]}
    return _tell(given, found, runs, say)


def _tell(given: argparse.Namespace, found: dict[str, Any], runs: Sequence[Run], say: Say) -> int:
    """Write the report, print the last line, return the exit status."""
    report = _write_report(given.dir, given.name, found, runs)
    found["report"] = str(report)
    say(f"report: {report}")
    print(json.dumps(found) if given.json else json.dumps(found, indent=2))
    return 0 if found["passed"] else 1


def _limits_s(drill: Drill | OwnCloud, options: Options) -> Mapping[str, float]:
    if isinstance(drill, Drill) and options.bmc and drill.bmc_limits_s is not None:
        return drill.bmc_limits_s
    return drill.limits_s


def _perform(
    name: str, drill: Drill | OwnCloud, root: Path, options: Options, runs: list[Run], say: Say
) -> None:
    if isinstance(drill, OwnCloud):
        runs += drill.whole(root, options, say)
        return
    stage = open_stage(root, replace(drill.needs, bmc=options.bmc), say)
    try:
        for number in range(1, options.runs + 1):
            runs.append(_one(stage, drill, number, options))
            say(f"{name} run {number}: {_in_words(runs[-1])}")
            stage.restore()
    finally:
        stage.db.close()


def _one(stage: Stage, drill: Drill, number: int, options: Options) -> Run:
    with watching(stage) as watch:
        seconds, facts, failure = None, dict[str, float](), ""
        try:
            seconds, facts = drill.once(stage, watch, options)
        except FAILURES as e:
            failure = str(e)
            stage.restore()  # the guests' logs are read in any case
        return watch.run(number, seconds, failure, facts)


def _in_words(run: Run) -> str:
    seconds = "no figure" if run.seconds is None else f"{run.seconds:.2f} s"
    facts = ", ".join(f"{name} {value:.2f}" for name, value in run.facts.items())
    bad = f", LOST {run.lost}" * bool(run.lost) + f", TWICE {run.double_runs}" * bool(run.double_runs)
    return f"{seconds} ({facts}){bad}{', ' + run.failure if run.failure else ''}"


def _write_report(root: Path, name: str, found: Mapping[str, object], runs: Sequence[Run]) -> Path:
    directory = root / "drills"
    directory.mkdir(parents=True, exist_ok=True)
    report = directory / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.html"
    report.write_text(page(name, found, runs))
    return report
