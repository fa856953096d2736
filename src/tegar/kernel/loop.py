"""A function that runs every n seconds and when poked, once at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tegar.kernel import log
from tegar.kernel.clock import Clock


class Loop:
    """Runs *round* until stopped.  An error is logged and the next round comes all the same."""

    def __init__(self, name: str, every_s: float, round: Callable[[], None], clock: Clock) -> None:
        self.name, self.every_s = name, every_s
        self._round, self._clock = round, clock
        self._poked, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name=f"loop:{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def poke(self) -> None:
        """Run the next round now."""
        self._poked.set()

    def stop(self) -> None:
        """End after the round under way."""
        self._stopped = True
        self._poked.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._round()
            except Exception as e:
                log.get("loop").error("round failed", loop=self.name, error=repr(e), exc_info=True)
            self._clock.wait(self._poked, self.every_s)
            self._poked.clear()
