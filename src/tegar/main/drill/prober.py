"""Asks a guest, all the time, to write a number to its disk; remembers what it acknowledged and when."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
import urllib.request

PERIOD_S = 0.3
PATIENCE_S = 2.0
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def get(address: str, path: str, timeout_s: float = PATIENCE_S) -> str | None:
    """Return a page of a guest, None when it does not answer."""
    try:
        with _open(f"http://{address}{path}", timeout=timeout_s) as answer:
            return bytes(answer.read()).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None


class Prober:
    """One guest's; ``acknowledged`` and ``answers`` may be read at any time."""

    def __init__(self, address: str) -> None:
        """Begin at once."""
        self.address = address
        self.acknowledged: set[int] = set()
        self.answers: list[float] = []
        self._number = int(time.time() * 1000) % 10**9
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"prober-{address}")
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def first_after(self, at_s: float) -> float | None:
        """Return when the guest answered first after a moment."""
        return next((a for a in list(self.answers) if a > at_s), None)

    def longest_silence_s(self, from_s: float, to_s: float) -> float:
        """Return the longest time without an answer between two moments."""
        within = [a for a in list(self.answers) if from_s < a < to_s]
        edges = [from_s, *within, to_s]
        return max(after - before for before, after in itertools.pairwise(edges))

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._number += 1
            said = get(self.address, f"/cgi-bin/write?n={self._number}")
            if said is not None and said.startswith(f"ok {self._number} "):
                self.acknowledged.add(self._number)
                self.answers.append(time.time())
