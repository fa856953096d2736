"""Guest agents: when each last gave a sign of life."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import libvirt
import libvirt_qemu

from tegar.wire.virt import GuestPulse

PING_S = 2  # whole seconds: libvirt's
AT_ONCE = 16


class Pulses:
    """Asks all, waits for none longer than the deadline, and remembers who answered when."""

    def __init__(self) -> None:
        self._answered_s: dict[str, float] = {}

    def ping(self, handles: Iterable[Any]) -> tuple[GuestPulse, ...]:
        """Ask the guests of those domains."""
        handles = list(handles)
        with ThreadPoolExecutor(AT_ONCE, "ping") as pool:
            answers = dict(zip((h.UUIDString() for h in handles), pool.map(_answers, handles), strict=True))
        now_s = time.monotonic()
        self._answered_s = {u: now_s if ok else self._answered_s.get(u, -1.0) for u, ok in answers.items()}
        return tuple(
            GuestPulse(uuid, now_s - at_s if at_s >= 0 else -1.0)
            for uuid, at_s in sorted(self._answered_s.items())
        )


def _answers(handle: Any) -> bool:
    try:
        libvirt_qemu.qemuAgentCommand(handle, '{"execute":"guest-ping"}', PING_S, 0)
    except libvirt.libvirtError:
        return False
    return True
