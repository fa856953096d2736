"""``tegar drill live``: try a cloud that runs, by its API alone, with what hurts nobody, and write a report.

It works on a canary: a VM that it deploys and removes.  What else runs there is not touched.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx

from tegar.kernel.clock import WallClock
from tegar.main.client import ApiFailed, Client
from tegar.main.drill.marks import ANSWER, END, FAULT, START, STORY, Mark, Run, summary
from tegar.main.drill.report import page
from tegar.main.local import until

CLOCK = WallClock()
LOOK_S, PATIENCE_S = 0.1, 120.0
FAILURES = (ApiFailed, httpx.HTTPError, subprocess.SubprocessError)


class Api(Protocol):
    """The cloud's API, as ``Client`` speaks it."""

    def __call__(self, command: str, **params: object) -> Any:
        """Send a command and return what stands under the envelope."""
        ...

    def job(self, command: str, *, patience_s: float = 600, **params: object) -> Any:
        """Send an asynchronous command and return the result of its job."""
        ...

    def first(self, command: str, key: str, **params: object) -> Any:
        """Return the first row of a list, None when it is empty."""
        ...


class LiveError(Exception):
    """The cloud has not what the drill needs, or did not do what it waits for."""


@dataclass
class Live:
    """A cloud that runs, how it is asked, and what was seen."""

    api: Api
    offering: str
    kill_with: str
    marks: list[Mark] = field(default_factory=list)

    def mark(self, kind: str, what: str) -> float:
        """Note something that happened now; return when."""
        self.marks.append(Mark(CLOCK.now_s(), kind, what))
        return self.marks[-1].at_s

    def await_(self, true: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> float:
        """Wait until something is so; return when it was seen.

        Raises:
            LiveError: it did not become so.
        """
        if not until(true, within_s, LOOK_S):
            raise LiveError(f"{what}: not within {within_s:.0f} s")
        return CLOCK.now_s()

    def vm(self, uuid: str) -> Mapping[str, Any]:
        """Return a VM as the API shows it, empty when it is not there."""
        found: Mapping[str, Any] = (
            self.api.first("listVirtualMachines", "virtualmachine", id=uuid, listall=True) or {}
        )
        return found

    def events(self, since_s: float) -> list[Mark]:
        """Return what the cloud itself noted since a moment, of the canary and of high availability."""
        rows = self.api("listEvents", listall=True, page=1, pagesize=200).get("event", [])
        marks = [
            Mark(_moment(row["created"]), STORY, f"{row['type']} {row['state']}: {row['description']}")
            for row in rows
        ]
        return [mark for mark in marks if mark.at_s >= since_s - 1]


@contextmanager
def canary(live: Live) -> Iterator[str]:
    """Deploy a VM with HA and remove it afterwards, whatever happens; gives its uuid.

    Raises:
        LiveError: there is no zone, template, network or offering to deploy it with.
    """
    zone = _some(live, "listZones", "zone")
    template = _some(live, "listTemplates", "template", templatefilter="executable", zoneid=zone["id"])
    network = _some(live, "listNetworks", "network", zoneid=zone["id"], listall=True)
    offers = live.api("listServiceOfferings", listall=True).get("serviceoffering", [])
    named = [o for o in offers if live.offering in ("", o["name"]) and o.get("memory")]
    if not named:
        raise LiveError(
            "no service offering of fixed size" + f" is named {live.offering}" * bool(live.offering)
        )
    made = live.api.job(
        "deployVirtualMachine",
        name=f"canary-{uuid4().hex[:8]}", zoneid=zone["id"], templateid=template["id"],
        networkids=network["id"], serviceofferingid=min(named, key=lambda o: o["memory"])["id"],
    )["virtualmachine"]  # fmt: skip
    live.mark(STORY, f"canary {made['name']} runs on {made.get('hostname')}")
    try:
        if not made.get("haenable"):
            live.api("updateVirtualMachine", id=made["id"], haenable=True)
        yield str(made["id"])
    finally:
        live.api.job("destroyVirtualMachine", id=made["id"], expunge=True)


def _some(live: Live, command: str, key: str, **params: object) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = live.api.first(command, key, **params)
    if found is None:
        raise LiveError(f"{command} shows none")
    return found


def check(live: Live) -> float:
    """Ask for a check of what failovers stand on; the figure is how long it took.

    Raises:
        LiveError: something is bad.
    """
    began_s = live.mark(FAULT, "a check is asked for")
    asked = live.api("runHighAvailabilityCheck")["highavailabilitycheckrun"]["id"]

    def run() -> Mapping[str, Any]:
        found: Mapping[str, Any] = (
            live.api.first("listHighAvailabilityChecks", "highavailabilitycheckrun", id=asked) or {}
        )
        return found

    live.await_(lambda: "ended" in run(), "the check ends")
    ended_s, found = live.mark(ANSWER, "the check has ended"), run()
    for row in found["finding"]:
        text = f"{row['subject']}, {row['what']}: {row['shown']}"
        live.mark(STORY if row["good"] else END, text + f": {row.get('reason')}" * (not row["good"]))
    bad = [row["reason"] for row in found["finding"] if not row["good"]]
    if bad:
        raise LiveError(f"{len(bad)} of {found['total']} are bad; the first: {bad[0]}")
    return ended_s - began_s


def canary_migrate(live: Live) -> float:
    """Migrate a canary to another host and back; the figure is the longer of the two."""
    with canary(live) as uuid:
        home = live.vm(uuid)["hostname"]
        there = _migrate(live, uuid)
        if live.vm(uuid)["hostname"] == home:
            raise LiveError("the canary did not move")
        return max(there, _migrate(live, uuid))


def _migrate(live: Live, uuid: str) -> float:
    hosts = live.api("listHosts", virtualmachineid=uuid).get("host", [])
    fit = [host for host in hosts if host.get("suitableformigration")]
    if not fit:
        raise LiveError("no other host takes the canary")
    began_s = live.mark(FAULT, f"migrate it to {fit[0]['name']}")
    live.api.job("migrateVirtualMachine", virtualmachineid=uuid, hostid=fit[0]["id"])
    return live.mark(START, f"it runs on {live.vm(uuid).get('hostname')}") - began_s


def qemu_death(live: Live) -> float:
    """End the canary's QEMU with the operator's command; the figure is the time until its proof is recorded and it runs.

    Raises:
        LiveError: no command was given, or it does not run again.
    """
    if not live.kill_with:
        raise LiveError(
            "say with --kill-with how a VM's process is ended, as in 'ssh root@{host} pkill -9 -f {uuid}'"
        )
    with canary(live) as uuid:
        host = live.vm(uuid)["hostname"]
        before = _proofs(live, uuid)
        words = [word.format(host=host, uuid=uuid) for word in shlex.split(live.kill_with)]
        began_s = live.mark(FAULT, " ".join(words))
        subprocess.run(words, check=True, timeout=30)
        live.await_(lambda: _proofs(live, uuid) > before, "the proof of its end")
        live.mark(END, "its end is proven")
        live.await_(lambda: live.vm(uuid).get("state") == "Running", "the canary runs again")
        return live.mark(START, f"it runs on {live.vm(uuid).get('hostname')}") - began_s


def _proofs(live: Live, uuid: str) -> int:
    rows = live.api("listDeathProofs", page=1, pagesize=100).get("deathproof", [])
    return sum(row.get("virtualmachineid") == uuid for row in rows)


def leader_handover(live: Live) -> float:
    """Take the server that leads high availability out of service, and put it back; the figure is until another leads.

    Raises:
        LiveError: there is no other server, or none takes over.
    """
    servers = live.api("listManagementServers").get("managementserver", [])
    leader = next((s for s in servers if "ha" in s.get("leads", [])), None)
    if leader is None or sum(s["state"] == "Up" for s in servers) < 2:
        raise LiveError("it needs a leader and one more server that is Up")

    def others() -> list[str]:
        now = live.api("listManagementServers").get("managementserver", [])
        return [s["name"] for s in now if "ha" in s.get("leads", []) and s["id"] != leader["id"]]

    began_s = live.mark(FAULT, f"{leader['name']} leads no more")
    try:
        live.api("prepareForShutdown", managementserverid=leader["id"])
        led_s = live.await_(lambda: bool(others()), "another server leads")
        live.mark(START, f"{', '.join(others())} leads")
    finally:
        live.api("cancelShutdown", managementserverid=leader["id"])
        live.mark(FAULT, f"{leader['name']} is back in service")
    return led_s - began_s


DRILLS: dict[str, Callable[[Live], float]] = {
    "check": check,
    "canary-migrate": canary_migrate,
    "qemu-death": qemu_death,
    "leader-handover": leader_handover,
}
LIMITS_S: dict[str, dict[str, float]] = {"qemu-death": {"max": 15.0}, "leader-handover": {"max": 5.0}}


def main_live(argv: Sequence[str]) -> int:
    """Run ``tegar drill live``; 0 if all was as it should be."""
    parser = argparse.ArgumentParser(
        prog="tegar drill live",
        description="Try a cloud that runs with what hurts nobody. The keys of an administrator are read from"
        " TEGAR_API_KEY and TEGAR_SECRET_KEY.",
    )
    parser.add_argument("name", choices=sorted(DRILLS))
    parser.add_argument("--endpoint", default="http://127.0.0.1:8080/client/api", help="of the API")
    parser.add_argument("--runs", type=int, default=1, help="how often")
    parser.add_argument("--offering", default="", help="of the canary; by default the smallest")
    parser.add_argument(
        "--kill-with", default="", help="qemu-death: ends a process; {host} and {uuid} are filled in"
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="where the report is written")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    given = parser.parse_args(argv)
    keys = os.environ.get("TEGAR_API_KEY", ""), os.environ.get("TEGAR_SECRET_KEY", "")
    if not all(keys):
        print("tegar drill live: set TEGAR_API_KEY and TEGAR_SECRET_KEY", file=sys.stderr)
        return 2
    api = Client(given.endpoint, *keys)
    runs = [perform(Live(api, given.offering, given.kill_with), given.name, n + 1) for n in range(given.runs)]
    found = summary(given.name, LIMITS_S.get(given.name, {}), runs)
    found["report"] = str(report(given.dir, given.name, found, runs))
    print(json.dumps(found) if given.json else json.dumps(found, indent=2))
    return 0 if found["passed"] else 1


def perform(live: Live, name: str, number: int) -> Run:
    """Run a drill once."""
    began_s, seconds, failure = CLOCK.now_s(), None, ""
    try:
        seconds = DRILLS[name](live)
    except (*FAILURES, LiveError) as e:
        failure = str(e)
    try:
        told = live.events(began_s)
    except FAILURES as e:
        told, failure = [], failure or str(e)
    marks = sorted([*live.marks, *told], key=lambda mark: mark.at_s)
    faults = [mark.at_s for mark in live.marks if mark.kind == FAULT]
    return Run(number, faults[0] if faults else began_s, seconds, failure=failure, marks=marks)


def report(root: Path, name: str, found: Mapping[str, object], runs: Sequence[Run]) -> Path:
    """Write the report and return where it is."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / f"live-{name}-{time.strftime('%Y%m%d-%H%M%S')}.html"
    file.write_text(page(name, found, runs))
    return file


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
