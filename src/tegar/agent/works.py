"""Long work in the background: whoever asks again joins it, waits a moment, or hears NotYet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from tegar.kernel.errors import AgentRefused, NotYet, TegarError

T = TypeVar("T")
JOIN_S = 2.0  # short work is answered at once
FAILURE_KEPT_S = 300.0
log = structlog.get_logger(__name__)


class _Work(Generic[T]):
    """One piece of work and its end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.result: T | None = None
        self.error: TegarError | None = None
        self.ended_s = 0.0

    def stale(self) -> bool:
        """Return whether it failed so long ago that nobody waits to hear of it."""
        return self.over.is_set() and time.monotonic() - self.ended_s > FAILURE_KEPT_S


class Works(Generic[T]):
    """Background work by key; one at a time for each key.

    Success is not remembered here: whoever asks later finds the file itself.  A failure is kept for
    the next one to ask, once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, _Work[T]] = {}

    def join(self, key: str, what: str, do: Callable[[], T]) -> T:
        """Start the work, or join the one under way; a failure is told once, then it may start anew.

        Raises:
            NotYet: it goes on after a short wait.
            TegarError: what it failed with.
        """
        with self._lock:
            work = self._at.get(key)
            if work is None or work.stale():
                work = self._at[key] = _Work()
                threading.Thread(target=self._run, args=(key, work, do), name=what, daemon=True).start()
        if not work.over.wait(JOIN_S):
            raise NotYet(what)
        self._forget(key, work)
        if work.error:
            log.warning("work failed", what=what, why=str(work.error))
            raise work.error
        if work.result is None:
            raise AgentRefused("The host", what, "the work ended without a result; see the agent's log")
        return work.result

    def must_be_idle(self, key: str, what: str) -> None:
        """Raise NotYet while the work is under way."""
        with self._lock:
            work = self._at.get(key)
        if work is not None and not work.over.is_set():
            raise NotYet(what)

    def _run(self, key: str, work: _Work[T], do: Callable[[], T]) -> None:
        """Do it; a failure is remembered whatever it is."""
        try:
            work.result = do()
            self._forget(key, work)
        except TegarError as e:
            work.error = e
        except OSError as e:
            work.error = AgentRefused("The host", "background work", str(e))
        finally:
            work.ended_s = time.monotonic()
            work.over.set()

    def _forget(self, key: str, work: _Work[T]) -> None:
        with self._lock:
            if self._at.get(key) is work:
                del self._at[key]
