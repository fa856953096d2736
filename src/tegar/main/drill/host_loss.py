"""A host is lost: its power, or all its cables, or its power together with the leading server."""

from __future__ import annotations

import os
import signal
import time

from tegar.lab.cloud import LabHost
from tegar.main.drill.copies import Copy
from tegar.main.drill.stage import DrillError, Guest, Options, Stage
from tegar.main.drill.watch import Watch

ISOLATED_S = 60.0


def host_power_loss(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Cut a host's power: to the start of the last of its guests' new processes."""
    host, guests = _victim(stage)
    fault_s = watch.fault(f"{host.name} loses its power")
    host.power_off()
    return _elsewhere(watch, host, guests, fault_s)


def leader_death(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Kill the leading server while a host loses its power: to the start of the last of its guests."""
    host, guests = _victim(stage)
    name, pids = stage.leader()
    fault_s = watch.fault(f"{host.name} loses its power, and the leader {name} is killed")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    host.power_off()
    return _elsewhere(watch, host, guests, fault_s)


def host_isolated(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Cut all cables of a host for a minute: to the start elsewhere, and the old copies must be gone after."""
    host, guests = _victim(stage)
    old = {guest.uuid: watch.only_copy(guest) for guest in guests}
    fault_s = watch.fault(f"{host.name} is cut off from everything")
    host.cut()
    seconds, facts = _elsewhere(watch, host, guests, fault_s)
    margin_s = min(_margin_s(watch, guest, old[guest.uuid], fault_s) for guest in guests)
    watch.awaited(
        lambda: True if time.time() - fault_s > (options.hold_s or ISOLATED_S) else None, "", ISOLATED_S * 20
    )
    host.join()
    watch.mark("fault", f"the cables of {host.name} are mended")
    for guest in guests:
        gone = old[guest.uuid]
        watch.awaited(
            lambda c=gone: c.ended_s,  # type: ignore[misc]
            f"the old copy of {guest.name} was not destroyed",
        )
    return seconds, {**facts, "paused_before_s": margin_s}


def _victim(stage: Stage) -> tuple[LabHost, list[Guest]]:
    """Return the host of the first guest, and all the guests there."""
    host = stage.host_of(stage.guests[0])
    return host, [guest for guest in stage.guests if stage.vm(guest).get("hostname") == host.name]


def _elsewhere(
    watch: Watch, host: LabHost, guests: list[Guest], fault_s: float
) -> tuple[float, dict[str, float]]:
    """Wait until all guests run on another host, and answer."""
    new = [watch.new_copy(guest, fault_s) for guest in guests]
    if any(copy.host == host.name for copy in new):
        raise DrillError(f"a guest was started on {host.name} again")
    started_s = max(copy.started_s for copy in new)
    answered_s = max(watch.answer(guest, copy.started_s) for guest, copy in zip(guests, new, strict=True))
    return started_s - fault_s, {"answers_s": answered_s - fault_s}


def _margin_s(watch: Watch, guest: Guest, old: Copy, fault_s: float) -> float:
    """Return how long before the new copy's start the old one computed last.

    Raises:
        DrillError: it did not stop before.
    """
    new = watch.new_copy(guest, fault_s)
    if old.last_ran_s is None or old.last_ran_s >= new.started_s:
        raise DrillError(f"{guest.name} still computed on {old.host} when it was started elsewhere")
    return new.started_s - old.last_ran_s
