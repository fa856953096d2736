"""The network fails for everybody: a switch that starts again, or no way to the management servers."""

from __future__ import annotations

import time

from tegar.lab.cloud import MACHINE
from tegar.main.drill.marks import FAULT
from tegar.main.drill.process_death import UNNOTICED_S
from tegar.main.drill.stage import DrillError, Options, Stage
from tegar.main.drill.watch import Watch

BLIP_S = 20.0
MANAGEMENT_CUT_S = 60.0


def switch_blip(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Cut all hosts off everything for 20 s: from the mending to the last guest that computes again.

    With three hosts, for the brake holds only where more than two are suspect: a cluster of two loses both.
    """
    before = _processes(stage, watch)
    watch.fault("all hosts are cut off from everything")
    for host in stage.lab.hosts.values():
        host.cut()
    _hold(watch, options.hold_s or BLIP_S)
    for host in stage.lab.hosts.values():
        host.join()
    mended_s = time.time()
    watch.mark(FAULT, "all cables are mended", mended_s)
    running_s = max(
        watch.awaited(
            lambda g=guest: _ran_after(watch, g.uuid, mended_s),  # type: ignore[misc]
            f"{guest.name} does not compute again",
        )
        for guest in stage.guests
    )
    answered_s = max(watch.answer(guest, mended_s) for guest in stage.guests)
    _must_be_the_same(stage, watch, before)
    return running_s - mended_s, {"answers_s": answered_s - mended_s}


def management_cut(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Keep the hosts from all management servers, not from the witnesses: the longest silence of a guest."""
    before = _processes(stage, watch)
    fault_s = watch.fault("the hosts lose all management servers")
    stage.lab.separate(list(stage.lab.hosts), [MACHINE])
    _hold(watch, options.hold_s or MANAGEMENT_CUT_S)
    silence_s = max(p.longest_silence_s(fault_s, time.time()) for p in watch.probers.values())
    stage.lab.heal()
    mended_s = time.time()
    watch.mark(FAULT, "the management servers are back", mended_s)
    watch.awaited(lambda: None if stage.settled() else True, "the cloud is not whole", 120)
    _must_be_the_same(stage, watch, before)
    if silence_s > UNNOTICED_S:
        raise DrillError(f"a guest was silent for {silence_s:.1f} s")
    return silence_s, {"whole_again_s": time.time() - mended_s}


def _hold(watch: Watch, hold_s: float) -> None:
    end_s = time.monotonic() + hold_s
    watch.awaited(lambda: True if time.monotonic() > end_s else None, "", hold_s + 10)


def _ran_after(watch: Watch, vm: str, at_s: float) -> float | None:
    ran = [c.last_ran_s for c in watch.copies.alive(vm) if c.last_ran_s is not None and c.last_ran_s > at_s]
    return min(ran, default=None)


def _processes(stage: Stage, watch: Watch) -> dict[str, int | None]:
    """Return the processes of guests and the first processes of hosts, by name."""
    guests: dict[str, int | None] = {guest.name: watch.only_copy(guest).pid for guest in stage.guests}
    return guests | {host.name: host.init_pid for host in stage.lab.hosts.values()}


def _must_be_the_same(stage: Stage, watch: Watch, before: dict[str, int | None]) -> None:
    after = _processes(stage, watch)
    if others := [name for name in before if before[name] != after[name]]:
        raise DrillError(f"reset or started again: {', '.join(others)}")
