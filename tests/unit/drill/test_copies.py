"""The catcher of double runs, on forged machines that really compute and really write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tegar.main.drill.copies import Copies, Twice, vm_of

TICK_S = 0.02  # starts of processes are known to a clock tick

FORGED = """
import os, sys, threading, time

def processor():
    tid = threading.get_native_id()
    open(f"/proc/self/task/{tid}/comm", "w").write("CPU 0/TCG")
    disk = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_SYNC)
    while True:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        if sys.argv[2] == "writes":
            os.pwrite(disk, os.urandom(4096), 0)
        time.sleep(0.02)

threading.Thread(target=processor).start()
"""


class Forge:
    """Makes processes that look like QEMU."""

    def __init__(self, tmp_path: Path) -> None:
        self.disk, self.made = tmp_path / "disk", list[subprocess.Popen[bytes]]()
        self.vm = str(uuid.uuid4())

    def machine(self, does: str = "computes") -> subprocess.Popen[bytes]:
        argv = ["qemu-system-forged", "-I", "-S", "-c", FORGED, str(self.disk), does, "-uuid", self.vm]
        self.made.append(subprocess.Popen(argv, executable=os.path.realpath(sys.executable)))
        return self.made[-1]


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    made = Forge(tmp_path)
    yield made
    for process in made.made:
        process.kill()
        process.wait()


@pytest.fixture
def copies() -> Iterator[Copies]:
    watched = Copies(dict)
    watched.start()
    yield watched
    watched.stop()


def wait_until(condition: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, f"gave up waiting for {what}"
        time.sleep(0.02)


def caught(copies: Copies, forge: Forge) -> list[Twice]:
    return [t for t in copies.twice if t.vm == forge.vm]


def computes(copies: Copies, forge: Forge, many: int) -> Callable[[], bool]:
    return lambda: sum(c.first_ran_s is not None for c in copies.alive(forge.vm)) == many


def test_two_machines_that_compute_at_once_are_caught(forge: Forge, copies: Copies) -> None:
    forge.machine()
    wait_until(computes(copies, forge, 1), "the first")
    assert caught(copies, forge) == []

    forge.machine()

    wait_until(lambda: caught(copies, forge), "the catch")
    assert "computed" in caught(copies, forge)[0].did


def test_a_machine_that_stands_still_is_no_double_run_until_it_goes_on(forge: Forge, copies: Copies) -> None:
    old = forge.machine()
    wait_until(computes(copies, forge, 1), "the first")
    old.send_signal(signal.SIGSTOP)
    stopped_s = time.time()
    forge.machine()
    wait_until(computes(copies, forge, 2), "the second")
    newer = copies.alive(forge.vm)[1]
    wait_until(lambda: (newer.last_ran_s or 0) - (newer.first_ran_s or 0) > 1, "a second of the second")
    assert caught(copies, forge) == []
    first_ran_s = newer.first_ran_s
    assert first_ran_s is not None
    assert first_ran_s > stopped_s

    old.send_signal(signal.SIGCONT)

    wait_until(lambda: caught(copies, forge), "the catch")


def test_one_after_the_other_is_no_double_run_and_both_are_told_apart(forge: Forge, copies: Copies) -> None:
    old = forge.machine()
    wait_until(computes(copies, forge, 1), "the first")
    killed_s = time.time()
    old.kill()
    old.wait()
    new = forge.machine()
    wait_until(lambda: copies.since(forge.vm, killed_s - TICK_S), "the second")
    second = copies.since(forge.vm, killed_s - TICK_S)[0]
    wait_until(lambda: second.first_ran_s, "its first step")
    first = next(c for c in copies.all if c.pid == old.pid)

    assert caught(copies, forge) == []
    assert (first.pid, second.pid) == (old.pid, new.pid)
    assert first.ended_s is not None
    assert first.ended_s >= killed_s
    assert killed_s - TICK_S <= second.started_s <= time.time()


def test_a_stranger_is_no_machine() -> None:
    assert vm_of(os.getpid()) is None
    assert vm_of(2**22 + 1) is None
