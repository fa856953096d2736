"""Which domains live here, what libvirt's events say of them, and which ends nobody asked for."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

from tegar.agent.report import Stopped
from tegar.agent.xml import NAMESPACE
from tegar.wire.virt import Ended

ENDED_KEPT_S = 600.0
LOOK_AGAIN_S = 2.0  # an event may be lost with the connection; then the condition is looked at anyway
_REASONS = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "failed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "destroyed",
}


class Lives:
    """Wakes whoever waits for a domain, and reports the ends that nobody here expects.

    A domain counts as ours when its metadata says so, and as alive once it ran here: an arriving
    migration that fails also stops, and so does a start that no gate admits; that is no news.

    Args:
        on_stopped: told of each end by itself.
        ours_to_end: whether the hands ended that domain.
    """

    def __init__(
        self, on_stopped: Callable[[Stopped], None], ours_to_end: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._on_stopped, self._ours_to_end = on_stopped, ours_to_end
        self._ended_lately: deque[tuple[float, Ended]] = deque(maxlen=10_000)
        self._news = threading.Condition()
        self._expected: Counter[str] = Counter()
        self._ours: dict[str, bool] = {}
        self._ran: set[str] = set()

    def lifecycle(self, uuid: str, event: int, detail: int) -> None:
        """Take an event from libvirt's thread."""
        with self._news:
            if event == libvirt.VIR_DOMAIN_EVENT_RESUMED:
                self._ran.add(uuid)
                self._ended_lately = deque(
                    (it for it in self._ended_lately if it[1].uuid != uuid), maxlen=10_000
                )
            elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
                self._ended(uuid, detail)
            self._news.notify_all()

    def _ended(self, uuid: str, detail: int) -> None:
        ran = uuid in self._ran
        self._ran.discard(uuid)
        ours = self._ours.pop(uuid, True)
        reason = _REASONS.get(detail)
        if ran and ours and reason and not self._expected.get(uuid) and not self._ours_to_end(uuid):
            self._ended_lately.append((time.monotonic(), Ended(uuid, reason)))
            self._on_stopped(Stopped(uuid, reason))

    def ended(self) -> tuple[Ended, ...]:
        """Return the ends of the last ten minutes that nobody here had asked for."""
        since_s = time.monotonic() - ENDED_KEPT_S
        with self._news:
            while self._ended_lately and self._ended_lately[0][0] < since_s:
                self._ended_lately.popleft()
            return tuple(it for _, it in self._ended_lately)

    def removed(self, _uuid: str) -> None:
        """Take the news that a guest let go of a device."""
        with self._news:
            self._news.notify_all()

    @contextmanager
    def expected(self, uuid: str) -> Iterator[None]:
        """Say that the domain may end now, by our own doing."""
        with self._news:
            self._expected[uuid] += 1
        try:
            yield
        finally:
            # The event of the end comes from another thread, usually before the call returns.
            timer = threading.Timer(LOOK_AGAIN_S, self._no_more, (uuid,))
            timer.daemon = True
            timer.start()

    def _no_more(self, uuid: str) -> None:
        with self._news:
            self._expected[uuid] -= 1
            if not self._expected[uuid]:
                del self._expected[uuid]

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition holds, looking at each event; return whether it does."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._news:
                self._news.wait(min(left, LOOK_AGAIN_S))
        return True

    def is_ours(self, uuid: str, handle: Any) -> bool:
        """Return whether a domain is Tegar's; what it says of itself never changes."""
        with self._news:
            known = self._ours.get(uuid)
        if known is not None:
            return known
        try:
            runs = handle.state()[0] == libvirt.VIR_DOMAIN_RUNNING
            ours = bool(handle.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0))
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return False
            ours = False
        with self._news:
            self._ours[uuid] = ours
            if runs:
                self._ran.add(uuid)
        return ours
