"""What changes with every boot of this host, and what tells one process from the next of its number."""

from __future__ import annotations

from pathlib import Path


def start_time(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty when there is none (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def boot_id() -> str:
    """Return what changes with every boot.

    The kernel's boot id, and the start of the first process: a host may be a container or a PID
    namespace that "boots" while the kernel runs on.
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{kernel}.{start_time(1)}"
