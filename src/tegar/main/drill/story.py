"""What the cloud itself says of a drill: proofs, events, and what the HA manager logged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.lab import watchdog
from tegar.lab.cloud import Lab
from tegar.main.drill.marks import GUARD, STORY, Mark
from tegar.store.events import Event
from tegar.store.hosts import Host
from tegar.store.leases import Death

ROOMS = ("ha", "guard", "hands")
_LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\S+Z) \[\w+\s*\] (.*)$")


def from_rows(s: Session, since_s: float) -> list[Mark]:
    """Return the proofs and events since a moment."""
    deaths = s.execute(
        select(Death, Host.name).join(Host, Host.id == Death.host_id).where(Death.at_s >= since_s)
    )
    marks = [
        Mark(d.at_s, STORY, f"proof {d.kind} of {host}, epoch {d.epoch}: {d.evidence}") for d, host in deaths
    ]
    events = s.scalars(select(Event).where(Event.created_s >= since_s).order_by(Event.id)).all()
    return marks + [Mark(e.created_s, STORY, f"{e.type} {e.state}: {e.description}") for e in events]


def from_logs(directory: Path, since_s: float) -> list[Mark]:
    """Return what servers' HA managers logged since a moment."""
    return [mark for log in sorted(directory.glob("s*.log")) for mark in _lines(log, since_s)]


def _lines(log: Path, since_s: float) -> Iterator[Mark]:
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None or not any(f"room={room}" in found[2] for room in ROOMS):
            continue
        at_s = datetime.fromisoformat(found[1]).timestamp()
        if at_s >= since_s:
            yield Mark(at_s, STORY, re.sub(r"\s+", " ", found[2]))


def from_watchdogs(lab: Lab, since_s: float) -> list[Mark]:
    """Return when watchdogs reset hosts."""
    marks = []
    for host in lab.hosts.values():
        log = host.log_dir / watchdog.LOG
        lines = log.read_text().splitlines() if log.exists() else []
        for said in (json.loads(line) for line in lines):
            if said["what"] == "fired" and said["wall_s"] >= since_s:
                what = f"the watchdog of {host.name} fires, {said['watchdog_s']:g} s after the last pet"
                marks.append(Mark(said["wall_s"], GUARD, what))
    return marks
