"""Who really runs a VM: all QEMU processes of the lab, seen from outside, twenty times a second.

Nobody is asked.  A copy *computes* when the kernel gave its virtual processors time, and *writes*
when the kernel counts bytes; what libvirt, QEMU or the agent say of it does not matter.

A VM runs twice when an older copy computes or writes after a newer one has begun to compute.
Whatever happens within the window of a newer copy's first step is left out, for a live migration
hands over within it; so a sampler alone would miss a double run shorter than a window.  The
guests' own logs (``proof.py``) have no such gap.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_S = 0.05
COMPUTES_NS = 300_000
"""A stopped copy is woken to be asked or to be ended; that is cheaper than this."""
SETTLED_S = 2.0
"""A process that has not become QEMU at this age never will."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Copy:
    """One QEMU process of a VM; times in seconds since 1970."""

    vm: str
    host: str
    pid: int
    ticks: int  # of its start: with the pid its identity
    started_s: float
    ended_s: float | None = None
    first_ran_s: float | None = None
    last_ran_s: float | None = None
    last_wrote_s: float | None = None
    cpu_ns: int = 0
    written_bytes: int = 0
    threads: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Twice:
    """An older copy did something after a newer one had begun to compute."""

    vm: str
    at_s: float
    older: str
    newer: str
    did: str


class Copies:
    """Watches; read ``all`` and ``twice`` at any time."""

    def __init__(self, places: Callable[[], Mapping[str, str]]) -> None:
        """Watch from :meth:`start` on; *places* gives the names of hosts by their PID namespace."""
        self._places, self._known = places, dict[str, str]()
        self._ignored: set[tuple[int, int]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="copies")
        self.all: list[Copy] = []
        self.twice: list[Twice] = []
        self.longest_gap_s = 0.0

    def start(self) -> None:
        """Begin, and return when everything that runs has been seen."""
        self.look(time.time())
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def alive(self, vm: str) -> list[Copy]:
        """Return the copies of a VM that exist, the oldest first."""
        return sorted((c for c in list(self.all) if c.vm == vm and c.ended_s is None), key=_age)

    def since(self, vm: str, at_s: float) -> list[Copy]:
        """Return the copies of a VM that were started after a moment, the oldest first."""
        return sorted((c for c in list(self.all) if c.vm == vm and c.started_s > at_s), key=_age)

    def _run(self) -> None:
        before_s = time.time()
        while not self._stop.wait(PERIOD_S):
            now_s = time.time()
            self.longest_gap_s = max(self.longest_gap_s, now_s - before_s)
            before_s = now_s
            self.look(now_s)

    def look(self, now_s: float) -> None:
        """Take one sample."""
        here = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        self._find_new(here, now_s)
        for vm in {c.vm for c in self.all if c.ended_s is None}:
            self._sample(sorted((c for c in self.all if c.vm == vm and c.ended_s is None), key=_age), now_s)

    def _find_new(self, here: Iterable[int], now_s: float) -> None:
        have = {c.pid: c for c in self.all if c.ended_s is None}
        seen: set[tuple[int, int]] = set()
        booted_s = _booted_s()
        for pid in here:
            ticks = start_ticks(pid)
            if ticks is None or (pid in have and have[pid].ticks == ticks):
                continue
            if (pid, ticks) in self._ignored:
                seen.add((pid, ticks))
                continue
            started_s = ticks * _TICK_S + booted_s
            vm = vm_of(pid)
            if vm is not None:
                self.all.append(Copy(vm, self._place(pid), pid, ticks, started_s))
            elif now_s - started_s > SETTLED_S:
                seen.add((pid, ticks))
        self._ignored = seen

    def _place(self, pid: int) -> str:
        try:
            space = os.readlink(f"/proc/{pid}/ns/pid")
        except OSError:
            return "?"
        if space not in self._known:
            self._known = dict(self._places())
        return self._known.get(space, "?")

    def _sample(self, copies: list[Copy], now_s: float) -> None:
        began = [c for c in copies if c.first_ran_s is not None]  # before this window
        for copy in copies:
            did = _advance(copy, now_s)
            newer = [c for c in began if _age(c) > _age(copy)]
            if did and newer:
                self.twice.append(Twice(copy.vm, now_s, copy.host, newer[-1].host, did))


def _age(copy: Copy) -> tuple[int, int]:
    return copy.ticks, copy.pid


def _advance(copy: Copy, now_s: float) -> str:
    """Bring a copy up to date and return what it did since the last look, in words."""
    if start_ticks(copy.pid) != copy.ticks:
        copy.ended_s = now_s
        return ""
    if not copy.threads:
        copy.threads = _processors(copy.pid)
    cpu_ns, written_bytes = sum(_cpu_ns(copy.pid, t) for t in copy.threads), _written(copy.pid)
    computed = cpu_ns - copy.cpu_ns > COMPUTES_NS
    wrote = written_bytes > copy.written_bytes
    copy.cpu_ns, copy.written_bytes = max(cpu_ns, copy.cpu_ns), max(written_bytes, copy.written_bytes)
    if computed:
        copy.first_ran_s = copy.first_ran_s or now_s
        copy.last_ran_s = now_s
    if wrote:
        copy.last_wrote_s = now_s
    return " and ".join(word for word, true in (("computed", computed), ("wrote", wrote)) if true)


def _booted_s() -> float:
    """Return when the machine booted; of three readings the one with the least time between the clocks."""
    readings = []
    for _ in range(3):
        before_s, now_s = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
        readings.append((time.clock_gettime(time.CLOCK_BOOTTIME) - before_s, now_s - before_s))
    return min(readings)[1]


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine's start; None once it is dead."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else int(words[19])


def vm_of(pid: int) -> str | None:
    """Return the uuid of the VM that a process is a QEMU of, or None."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    if not words[0].rpartition("/")[2].startswith("qemu-system") or "-uuid" not in words[:-1]:
        return None
    return words[words.index("-uuid") + 1]


def _processors(pid: int) -> list[int]:
    """Return the threads that are virtual processors."""
    try:
        threads = [int(t) for t in os.listdir(f"/proc/{pid}/task")]
        return [t for t in threads if Path(f"/proc/{pid}/task/{t}/comm").read_text().startswith("CPU ")]
    except OSError:
        return []


def _cpu_ns(pid: int, thread: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return 0


def _written(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)
