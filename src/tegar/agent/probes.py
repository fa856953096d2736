"""Whether pools answer: each that was opened here is touched every few seconds, by a child process.

Nobody waits for a probe but a thread of its own, and a pool has one under way at most.  A pool hangs when its
probe is late or failed; then it is tried each second.  When it answers again, guests that stopped on I/O
errors are let go on; what could not be asked of a guest then is asked again with the next probe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import TegarError
from tegar.model.spec import PoolSpec

EVERY_S, AGAIN_S, LATE_S = 5.0, 1.0, 3.0
log = structlog.get_logger(__name__)


@dataclass
class Watched:
    """A pool: when its latest probe began, whether one is under way, whether the one before failed or was late."""

    pool: PoolSpec
    began_s: float = -1e9
    busy: bool = False
    away: bool = False
    owed: bool = False  # guests are still to be let go on

    def hangs(self, now_s: float) -> bool:
        """Return whether the pool does not answer."""
        return self.away or (self.busy and now_s - self.began_s >= LATE_S)

    def due(self, now_s: float) -> bool:
        """Return whether it is time for the next probe."""
        return not self.busy and now_s - self.began_s >= (AGAIN_S if self.away or self.owed else EVERY_S)


class Probes:
    """The pools of this host."""

    def __init__(
        self,
        touch: Callable[[PoolSpec], None],
        back: Callable[[], bool],
        clock: Clock | None = None,
    ) -> None:
        """Begin with no pool.

        Args:
            touch: touches a pool; raises when it does not answer, and may take as long as it likes.
            back: lets guests go on that stopped on I/O errors; returns whether all could be asked.
            clock: time.
        """
        self._touch, self._back, self._clock = touch, back, clock or WallClock()
        self._pools: dict[str, Watched] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def start(self) -> None:
        """Begin to probe."""
        self._thread.start()

    def close(self) -> None:
        """Probe no more."""
        self._closed.set()

    def watch(self, pool: PoolSpec) -> None:
        """Probe a pool from now on."""
        with self._lock:
            known = self._pools.setdefault(pool.uuid, Watched(pool, self._clock.mono_s()))
            known.pool = pool

    def stalled(self) -> tuple[str, ...]:
        """Return the uuids of pools that do not answer."""
        now_s = self._clock.mono_s()
        with self._lock:
            return tuple(sorted(uuid for uuid, it in self._pools.items() if it.hangs(now_s)))

    def turn(self) -> None:
        """Begin the probes that are due."""
        now_s = self._clock.mono_s()
        with self._lock:
            due = [it for it in self._pools.values() if it.due(now_s)]
            for it in due:
                it.busy, it.began_s = True, now_s
        for it in due:
            threading.Thread(target=self.probe, args=(it,), name=f"probe-{it.pool.uuid}", daemon=True).start()

    def probe(self, it: Watched) -> None:
        """Touch a pool, however long it takes."""
        try:
            self._touch(it.pool)
        except (TegarError, OSError) as e:
            if not it.away:
                log.warning("a pool does not answer", pool=it.pool.uuid, why=str(e))
            with self._lock:
                it.away, it.busy, it.owed = True, False, True
            return
        if it.owed or it.hangs(self._clock.mono_s()):
            log.info("a pool answers again", pool=it.pool.uuid)
            it.away = False
            it.owed = not self._back()
        with self._lock:
            it.busy = False

    def _run(self) -> None:
        while not self._closed.wait(0.5):
            self.turn()
