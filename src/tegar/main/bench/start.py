"""How long a server takes from its start to its first answer, and how much memory it has when idle."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tegar.main.bench.stage import cpu_s, percentile, rss_bytes, stage
from tegar.main.local import end

IDLE_S = 5.0


def measure(*, say: Callable[[str], None], runs: int) -> dict[str, Any]:
    """Start a server with an existing database several times."""
    took: list[float] = []
    computed: list[float] = []
    memory: list[int] = []
    with stage() as s:
        s.start_sim(2)
        end([_timed(s.start_server, s.wait)[0]])  # the first start makes the database
        for _ in range(runs):
            pid, seconds = _timed(s.start_server, s.wait)
            took.append(seconds)
            computed.append(cpu_s(pid))
            time.sleep(IDLE_S)  # idle means idle
            memory.append(rss_bytes(pid))
            say(f"first answer after {seconds:.2f} s, {memory[-1] / 1e6:.0f} MB idle")
            end([pid])
    return {
        "runs": runs,
        "seconds": {"p50": round(percentile(took, 50), 3), "max": round(max(took), 3)},
        "cpu_s": round(percentile(computed, 50), 2),
        "idle_rss_mb": round(max(memory) / 1e6, 1),
        "limits": {"seconds": 2.0, "idle_rss_mb": 150},
        "ok": max(took) <= 2.0 and max(memory) / 1e6 <= 150,
    }


def _timed(start: Callable[[], int], wait: Callable[[], None]) -> tuple[int, float]:
    began_s = time.monotonic()
    pid = start()
    wait()
    return pid, time.monotonic() - began_s
