"""Long work in the background: whoever asks again joins it, waits a moment, or hears NotYet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from tegar.kernel.errors import AgentRefused, NotYet, TegarError

T = TypeVar("T")
JOIN_S = 2.0  # short work is answered at once
log = structlog.get_logger(__name__)


class _Work(Generic[T]):
    """One piece of work and its end."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._do = do
        self.over = threading.Event()
        self.result: T | None = None
        self.error: TegarError | None = None

    def run(self) -> None:
        """Do it; the end is remembered whatever it is."""
        try:
            self.result = self._do()
        except TegarError as e:
            self.error = e
        except OSError as e:
            self.error = AgentRefused("The host", "background work", str(e))
        finally:
            self.over.set()


class Works(Generic[T]):
    """Background work by key; one at a time for each key."""

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
            if work is None:
                work = self._at[key] = _Work(do)
                threading.Thread(target=work.run, name=what, daemon=True).start()
        if not work.over.wait(JOIN_S):
            raise NotYet(what)
        with self._lock:
            if self._at.get(key) is work:
                del self._at[key]
        if work.error:
            log.warning("work failed", what=what, why=str(work.error))
            raise work.error
        if work.result is None:
            raise AgentRefused("The host", what, "the work ended without a result; see the agent's log")
        return work.result
