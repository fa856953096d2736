"""The machine as a whole: what it is, how busy it is."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tegar import __version__
from tegar.agent.config import Config
from tegar.agent.report import Reporter, ReportTo
from tegar.wire.boot import boot_id
from tegar.wire.host import HostFacts, HostLoad


class Machine:
    """The Box port."""

    def __init__(
        self,
        config: Config,
        reporter: Reporter,
        *,
        accel: str,
        hypervisor: Callable[[], str],
        can: tuple[str, ...],
        stalled: Callable[[], tuple[str, ...]],
    ) -> None:
        self._config = config
        self._reporter = reporter
        self._accel = accel
        self._hypervisor = hypervisor
        self._can, self._stalled = can, stalled
        self._uuid = persistent_uuid(config.state_dir / "host.uuid")
        self._lock = threading.Lock()
        self._ticks = _cpu_ticks()
        self._busy = 0.0
        self._at_s = time.monotonic()

    def facts(self) -> HostFacts:
        """Return what the host is; what the settings say goes before what is found."""
        config = self._config
        return HostFacts(
            uuid=self._uuid,
            name=config.name or socket.gethostname(),
            boot_id=boot_id(),
            version=__version__,
            hypervisor="KVM",
            hypervisor_version=self._hypervisor(),
            accel=self._accel,
            cpus=config.cpus or os.cpu_count() or 1,
            cpu_mhz=config.cpu_mhz or _mhz(),
            memory_bytes=config.memory_bytes or _memory()[0],
            migration_address=config.address,
            can=self._can,
        )

    def load(self) -> HostLoad:
        """Return how busy it was since the last look, or over the last second at least."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._at_s >= 1:
                before, self._ticks = self._ticks, _cpu_ticks()
                total = self._ticks[0] - before[0]
                self._busy = (self._ticks[1] - before[1]) / total if total > 0 else 0.0
                self._at_s = now_s
            total_bytes, available_bytes = _memory()
            return HostLoad(min(1.0, max(0.0, self._busy)), total_bytes - available_bytes, self._stalled())

    def report_to(self, host_uuid: str, urls: tuple[str, ...], secret: str) -> None:
        """Remember where to report."""
        self._reporter.report_to(ReportTo(host_uuid, urls, secret))


def persistent_uuid(file: Path) -> str:
    """Return the host's uuid, made at the first start and kept for ever."""
    if not file.exists():
        spare = file.with_suffix(".new")
        spare.write_text(f"{uuid.uuid4()}\n")
        spare.replace(file)
    return file.read_text().strip()


def _cpu_ticks() -> tuple[int, int]:
    """Return all ticks of all CPUs and those of them that were busy."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4]


def _memory() -> tuple[int, int]:
    """Return total and available memory in bytes."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return int(found["MemTotal"]) * 1024, int(found["MemAvailable"]) * 1024


def _mhz() -> int:
    """Return the speed of a CPU: its maximum where the kernel tells, else the present one, else 2000."""
    try:
        return int(Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").read_text()) // 1000
    except (OSError, ValueError):
        found = re.search(r"^cpu MHz\s*:\s*(\d+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        return int(found[1]) if found else 2000
