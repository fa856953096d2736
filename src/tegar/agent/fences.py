"""Who may still speak for a saga, and one at a time for one thing."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tegar.kernel.errors import Fenced
from tegar.kernel.wire import Fence

KEEP = 10_000  # sagas remembered; a saga is over long before this many newer ones were taken over


class Fences:
    """The highest owner's number heard for each saga.

    A number above 1 means the saga was taken over; only those are worth a write, for a number 1
    that is heard after a 2 must still be refused when the agent has been restarted between.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, int] = OrderedDict()
        if file and file.exists():
            for line in file.read_text().splitlines():
                saga, number = json.loads(line)
                self._seen[saga] = max(number, self._seen.get(saga, 0))

    def check(self, fence: Fence | None) -> None:
        """Admit a question of a saga's owner.

        Raises:
            Fenced: a newer owner has spoken already.
        """
        if fence is None:
            return
        with self._lock:
            highest = self._seen.get(fence.saga, 1)
            if fence.number < highest:
                raise Fenced(f"saga {fence.saga}")
            if fence.number > highest:
                self._seen[fence.saga] = fence.number
                self._seen.move_to_end(fence.saga)
                self._remember(fence)

    def _remember(self, fence: Fence) -> None:
        if not self._file:
            return
        if len(self._seen) > KEEP:
            while len(self._seen) > KEEP // 2:
                self._seen.popitem(last=False)
            text = "".join(f"{json.dumps(item)}\n" for item in self._seen.items())
            spare = self._file.with_suffix(".new")
            _write(spare, text, os.O_TRUNC)
            spare.replace(self._file)
            return
        _write(self._file, json.dumps([fence.saga, fence.number]) + "\n", os.O_APPEND)


def _write(file: Path, text: str, how: int) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)


class Locks:
    """One handler at a time for one thing (a VM, a disk, a router), however many ask.

    A question that was admitted may wait here while a newer owner of its saga speaks; so it is
    asked for its right again when its turn comes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[threading.Lock, int]] = {}
        self._speaker = threading.local()

    @contextmanager
    def speaking(self, may_still: Callable[[], None]) -> Iterator[None]:
        """Let *may_still* be called in this thread after each wait; it raises when the right is gone."""
        self._speaker.may_still = may_still
        try:
            yield
        finally:
            self._speaker.may_still = None

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Hold the lock of that name.

        Raises:
            Fenced: a newer owner spoke while this one waited.
        """
        with self._lock:
            lock, waiting = self._held.get(name, (threading.Lock(), 0))
            self._held[name] = (lock, waiting + 1)
        try:
            with lock:
                may_still = getattr(self._speaker, "may_still", None)
                if may_still:
                    may_still()
                yield
        finally:
            with self._lock:
                lock, waiting = self._held[name]
                if waiting == 1:
                    del self._held[name]
                else:
                    self._held[name] = (lock, waiting - 1)
