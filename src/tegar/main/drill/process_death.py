"""Processes die on a host that lives: QEMU, the agent, libvirtd, or the warden is stopped."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from tegar.lab.cloud import LabHost
from tegar.main.client import ApiFailed
from tegar.main.drill.marks import ANSWER, Mark
from tegar.main.drill.stage import DrillError, Guest, Options, Stage
from tegar.main.drill.watch import Watch

DISK, DISK_GIB = "drill-control", 1
UNNOTICED_S = 3.0
"""An emulated guest on a busy machine is sometimes silent for a second or two by itself."""
CONTROL_PATIENCE_S = 60.0
TWO_W_S = 6.0


def qemu_death(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Kill a guest's QEMU: to the start of the next one."""
    guest = stage.guests[0]
    old = watch.only_copy(guest)
    fault_s = watch.fault(f"QEMU of {guest.name} is killed on {old.host}")
    os.kill(old.pid, signal.SIGKILL)
    new = watch.new_copy(guest, fault_s)
    answered_s = watch.answer(guest, new.started_s)
    return new.started_s - fault_s, {"answers_s": answered_s - fault_s}


def agent_death(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Kill the agent of a guest's host: to the next disk plugged through it."""
    return _control_back(stage, watch, "agent")


def libvirtd_death(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Kill libvirtd of a guest's host: to the next disk plugged through it."""
    return _control_back(stage, watch, "libvirtd")


def warden_stopped(stage: Stage, watch: Watch, options: Options) -> tuple[float, dict[str, float]]:
    """Stop the warden of a guest's host (SIGSTOP): to the guest's start elsewhere, after the watchdog's reset."""
    guest = stage.guests[0]
    host, old = stage.host_of(guest), watch.only_copy(guest)
    pid, first_process = host.service_pid("warden"), host.init_pid
    if pid is None or first_process is None:
        raise DrillError(f"no warden runs on {host.name}")
    fault_s = watch.fault(f"the warden of {host.name} is stopped")
    os.kill(pid, signal.SIGSTOP)
    handle = os.pidfd_open(first_process)
    try:
        reset_s = watch.awaited(lambda: _ended(handle), f"{host.name} was not reset") - fault_s
    finally:
        os.close(handle)
    if reset_s > TWO_W_S:
        raise DrillError(f"{host.name} was reset only after {reset_s:.2f} s")
    new = watch.new_copy(guest, fault_s)
    if old.ended_s is None or old.ended_s > new.started_s:
        raise DrillError("the guest was started elsewhere before its host was reset")
    answered_s = watch.answer(guest, new.started_s)
    return new.started_s - fault_s, {"reset_s": reset_s, "answers_s": answered_s - fault_s}


def _ended(handle: int) -> float | None:
    """Return the time once the process behind a handle has ended."""
    try:
        signal.pidfd_send_signal(handle, 0)
    except ProcessLookupError:
        return time.time()
    return None


def _control_back(stage: Stage, watch: Watch, service: str) -> tuple[float, dict[str, float]]:
    guest = stage.guests[0]
    host, before = stage.host_of(guest), watch.only_copy(guest)
    disk = _spare_disk(stage, guest)
    _unplug(stage, disk)
    fault_s = watch.fault(f"{service} of {host.name} is killed")
    _kill(host, service)
    tries = _plug(stage, guest, disk)
    back_s = time.time()
    watch.marks.append(Mark(back_s, ANSWER, f"a disk is plugged through {host.name}"))
    _unplug(stage, disk)
    silence_s = watch.probers[guest.uuid].longest_silence_s(fault_s, time.time())
    if watch.only_copy(guest) is not before:
        raise DrillError(f"{guest.name} has another process than before")
    if silence_s > UNNOTICED_S:
        raise DrillError(f"{guest.name} was silent for {silence_s:.1f} s")
    return back_s - fault_s, {"silence_s": silence_s, "tries": tries}


def _kill(host: LabHost, service: str) -> None:
    pid = host.service_pid(service)
    if pid is None:
        raise DrillError(f"{service} does not run on {host.name}")
    os.kill(pid, signal.SIGKILL)


def _plug(stage: Stage, guest: Guest, disk: str) -> int:
    """Plug the disk, again until it works; return how often it was tried."""
    end_s, tries = time.monotonic() + CONTROL_PATIENCE_S, 0
    while time.monotonic() < end_s:
        tries += 1
        with suppress(ApiFailed):
            stage.api.job("attachVolume", id=disk, virtualmachineid=guest.uuid, patience_s=CONTROL_PATIENCE_S)
            return tries
        time.sleep(0.05)
    raise DrillError(f"no disk could be plugged within {CONTROL_PATIENCE_S:g} s")


def _unplug(stage: Stage, disk: str) -> None:
    if stage.api.first("listVolumes", "volume", id=disk, listall=True).get("virtualmachineid"):
        stage.api.job("detachVolume", id=disk)


def _spare_disk(stage: Stage, guest: Guest) -> str:
    found = stage.api.first("listVolumes", "volume", name=DISK, listall=True)
    if found is None:
        offered = stage.api.first("listDiskOfferings", "diskoffering")
        zone = stage.vm(guest)["zoneid"]
        words = {"size": DISK_GIB} if offered.get("iscustomized") else {}
        made = stage.api.job("createVolume", name=DISK, diskofferingid=offered["id"], zoneid=zone, **words)
        found = made["volume"]
        stage.api.job("attachVolume", id=found["id"], virtualmachineid=guest.uuid)  # which makes its file
    return str(found["id"])
