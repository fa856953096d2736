"""Which boot of the machine this is."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """Return what changes with every boot.

    The kernel's boot id, and the start of the first process: a host may be a container or a PID
    namespace that "boots" while the kernel runs on.
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}.{started}"
