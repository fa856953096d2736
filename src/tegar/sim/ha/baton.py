"""Real code that blocks, one thread at a time, on simulated time.

Each piece of work has a thread of its own, but only who has the baton runs.  It gives the baton back when
it sleeps, and the engine's next event may hand it to another.  So what is interleaved how follows from
the seed alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from tegar.agent.fences import Locks
from tegar.kernel.errors import TegarError
from tegar.sim.ha.engine import Engine

LOOK_S, LONGEST_LOOK_S = 0.004, 0.25
EPOCH_S = 1_800_000_000.0


class Killed(BaseException):
    """The process that this work belongs to died; nothing it would have done comes any more."""


class Owner(Protocol):
    """A process, which may die or not run for a while."""

    dead: bool
    held_until_s: float


class Task:
    """A piece of work."""

    def __init__(self, owner: Owner, work: Callable[[], object]) -> None:
        """Belong to a process; it begins when it is handed the baton."""
        self.owner, self.work, self.go = owner, work, threading.Lock()
        self.go.acquire()
        self.error: BaseException | None = None
        self.over = False


class Stage:
    """Hands the baton on."""

    def __init__(self, engine: Engine) -> None:
        """Let time be the engine's."""
        self.engine = engine
        self._mine = threading.local()
        self._main = threading.current_thread()
        self._back = threading.Lock()
        self._back.acquire()
        self._live: set[Task] = set()
        self._closed = False

    @property
    def owner(self) -> Any:
        """The process whose work this thread does, None in others."""
        task: Task | None = getattr(self._mine, "task", None)
        return task.owner if task else None

    def begin(self, owner: Owner, work: Callable[[], object], after_s: float = 0.0) -> Task:
        """Let a process do something in a thread of its own."""
        task = Task(owner, work)
        self._live.add(task)
        threading.Thread(target=self._do, args=(task,), daemon=True).start()
        self.engine.after(after_s, self._resume, task)
        return task

    def _do(self, task: Task) -> None:
        task.go.acquire()
        self._mine.task = task
        try:
            if not task.owner.dead:
                task.work()
        except Killed:
            pass
        except BaseException as e:
            task.error = e
        task.over = True
        self._back.release()

    def _resume(self, task: Task) -> None:
        if task.over:
            return
        held_s = task.owner.held_until_s
        if self.engine.now_s < held_s and not task.owner.dead and not self._closed:
            self.engine.at(held_s, self._resume, task)
            return
        task.go.release()
        self._back.acquire()
        if task.over:
            self._live.discard(task)
            if task.error is not None:
                raise task.error

    def sleep(self, seconds: float) -> None:
        """Give the baton back for so long.

        Raises:
            Killed: the process died meanwhile.
        """
        task: Task | None = getattr(self._mine, "task", None)
        if task is None:
            if threading.current_thread() is self._main:
                self.engine.run(self.engine.now_s + seconds)
            return
        self.engine.after(max(0.0, seconds), self._resume, task)
        self._back.release()
        task.go.acquire()
        if task.owner.dead or self._closed:
            raise Killed

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something; return whether it came in time."""
        end_s, pause_s = self.engine.now_s + timeout_s, LOOK_S
        while not condition():
            if self.engine.now_s >= end_s:
                return False
            self.sleep(min(pause_s, max(LOOK_S, end_s - self.engine.now_s)))
            pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
        return True

    def ask(
        self,
        owner: Owner,
        work: Callable[[], Any],
        way_s: float,
        reaches: Callable[[], bool],
        silent: Callable[[], bool],
        timeout_s: float,
    ) -> Any:
        """Let another process do something and return its result; None: no answer in time.

        The other one goes on whatever becomes of the asker, and its answer waits until it *reaches* it.

        Raises:
            TegarError: what the work raised.
        """
        said: list[Any] = []

        def do() -> None:
            try:
                result: Any = work()
            except TegarError as e:
                result = e
            if self.until(reaches, timeout_s):
                said.append(result)

        self.begin(owner, do, way_s)
        if not self.until(lambda: bool(said) or silent(), timeout_s) or not said:
            return None
        self.sleep(way_s)
        if isinstance(said[0], TegarError):
            raise said[0]
        return said[0]

    def close(self) -> None:
        """End all work."""
        self._closed = True
        for task in list(self._live):
            if not task.over:
                task.owner.dead = True
                task.go.release()
                self._back.acquire()
        self._live.clear()


class StageClock:
    """The clock of a machine on the stage."""

    def __init__(self, stage: Stage, offset_s: float = 0.0) -> None:
        """Count from some time of its own."""
        self._stage, self._offset_s = stage, offset_s

    def now_s(self) -> float:
        """Return the wall time."""
        return EPOCH_S + self._stage.engine.now_s

    def mono_s(self) -> float:
        """Return the time since the machine booted."""
        return self._stage.engine.now_s + self._offset_s

    def sleep(self, seconds: float) -> None:
        """Let others run meanwhile."""
        if seconds > 0:
            self._stage.sleep(seconds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let others run until the event is set."""
        return self._stage.until(event.is_set, timeout_s)


class StageLocks(Locks):
    """An agent's locks; who waits lets others run."""

    def __init__(self, stage: Stage) -> None:
        """Begin with none held."""
        super().__init__()
        self._stage = stage

    def of(self, name: str) -> Any:
        """Hold the lock of that name."""
        if self._stage.owner is not None:
            self._stage.until(lambda: name not in self._held, 3600.0)
        return super().of(name)
