"""Runs one owned saga forward or backward, with the log around every step; knows nothing of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, get_type_hints

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tegar.kernel import codec, log
from tegar.kernel.clock import Clock
from tegar.kernel.db import Db, must_not_hold_tx
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.lease import changed
from tegar.kernel.saga import OPEN, Run, Saga, SagaLog, SagaRow, State, Step
from tegar.kernel.wire import Fence

E = TypeVar("E")


class Probe(Protocol):
    """Watches a runner from outside: tests make it fail or die at a point; tracing measures it."""

    times: int

    def at(self, point: str, saga: str, step: str) -> None:
        """Be told ``before``, ``after``, ``undo-before`` or ``undo-after`` a step; may raise."""
        ...


class NoProbe:
    """Watches nothing."""

    times = 1

    def at(self, point: str, saga: str, step: str) -> None:
        """Do nothing."""


class Engine(Generic[E]):
    """Runs one owned saga forward or backward; knows nothing of threads."""

    def __init__(
        self,
        db: Db,
        env: E,
        sagas: dict[str, Saga[E, Any]],
        owner: str,
        clock: Clock,
        *,
        on_stuck: Callable[[Session, SagaRow], None] | None = None,
        probe: Probe | None = None,
    ) -> None:
        self.db, self.env, self.sagas, self.owner, self.clock = db, env, sagas, owner, clock
        self._on_stuck = on_stuck
        self.probe: Probe = probe or NoProbe()
        self._log = log.get("saga")
        self._first_try_s: dict[tuple[int, str], float] = {}
        self._tries: dict[tuple[int, str], int] = {}

    def claim(self, saga_id: int, *, dead_owner: str | None = None) -> bool:
        """Become the owner of a pending saga, or of a dead owner's; False when somebody else did."""

        def work(s: Session) -> bool:
            mine = update(SagaRow).where(SagaRow.id == saga_id)
            mine = (
                mine.where(SagaRow.owner == dead_owner) if dead_owner else mine.where(SagaRow.owner.is_(None))
            )
            wanted = [State.RUNNING, State.UNWINDING] if dead_owner else [State.PENDING]
            row_state = s.scalar(select(SagaRow.state).where(SagaRow.id == saga_id))
            after = State.RUNNING if row_state == State.PENDING else row_state
            return (
                changed(
                    s,
                    mine.where(SagaRow.state.in_(wanted)).values(
                        owner=self.owner, fence=SagaRow.fence + 1, state=after, version=SagaRow.version + 1
                    ),
                )
                == 1
            )

        won = self.db.tx(work)
        if won and dead_owner:
            self._log.warning("taken over", saga_id=saga_id, dead_owner=dead_owner)
        return won

    def reopen(self, saga_id: int) -> bool:
        """Own a stuck saga again, to try its undos (or its step, if it only goes forward) once more."""

        def work(s: Session) -> bool:
            row = s.get_one(SagaRow, saga_id)
            state = State.RUNNING if self.sagas[row.name].forward_only else State.UNWINDING
            mine = update(SagaRow).where(SagaRow.id == saga_id, SagaRow.state == State.STUCK)
            values = {"owner": self.owner, "fence": SagaRow.fence + 1, "state": state}
            return changed(s, mine.values(**values, version=SagaRow.version + 1)) == 1

        return self.db.tx(work)

    def drive(self, saga_id: int) -> float | None:
        """Take an owned saga as far as it goes now.

        Returns:
            Seconds until it wants to go on, or None when it is over or not ours any more.
        """
        must_not_hold_tx()
        loaded = self.db.read(lambda s: self._load(s, saga_id))
        if loaded is None:
            return None
        row, run, saga, entries = loaded
        try:
            if row.state == State.RUNNING:
                return self._forward(row, run, saga, entries)
            return self._backward(row, run, saga, entries)
        except Fenced:
            self._log.warning("lost to another owner", saga=saga.name, saga_id=saga_id)
            return None

    def _load(
        self, s: Session, saga_id: int
    ) -> tuple[SagaRow, Run[E, Any], Saga[E, Any], list[tuple[str, str]]] | None:
        row = s.get(SagaRow, saga_id)
        if row is None or row.owner != self.owner or row.state not in (State.RUNNING, State.UNWINDING):
            return None
        saga = self.sagas[row.name]
        run: Run[E, Any] = Run(
            self.env, codec.decode(saga.params, row.params), row.id, Fence(row.uuid, row.fence)
        )
        kinds = {step.name: get_type_hints(step.do).get("return") for step in saga.steps}
        entries = []
        for entry in s.scalars(select(SagaLog).where(SagaLog.saga_id == saga_id).order_by(SagaLog.id)):
            entries.append((entry.step, entry.what))
            if entry.what == "done":
                run.results[entry.step] = codec.decode(kinds[entry.step], entry.text or "null")
        return row, run, saga, entries

    def _forward(
        self, row: SagaRow, run: Run[E, Any], saga: Saga[E, Any], entries: list[tuple[str, str]]
    ) -> float | None:
        pending: list[tuple[str, str, str | None]] = []
        for step in saga.steps:
            if (step.name, "done") in entries:
                continue
            if (step.name, "begin") not in entries:
                pending.append((step.name, "begin", None))
            if not step.nothing:
                self._write(row, pending)
                pending = []
            try:
                result = self._do(saga, step, run)
            except Fenced:
                raise
            except Exception as e:  # the saga runner is one of the three places that catch everything
                self._write(row, pending)
                pause_s = self._again(row, step, e)
                if pause_s is not None:
                    return pause_s
                return self._fail(row, run, saga, step, e)
            run.results[step.name] = result
            pending.append((step.name, "done", codec.encode(result)))
            self._forget(row, step)
        self._write(row, pending, State.DONE)
        self._log.info("done", saga=saga.name, saga_id=row.id)
        return None

    def _do(self, saga: Saga[E, Any], step: Step[E, Any], run: Run[E, Any]) -> Any:
        self.probe.at("before", saga.name, step.name)
        with self.db.guarded(lambda s: self._must_own(s, run)):
            result = step.do(run)
            for _ in range(self.probe.times - 1):
                result = step.do(run)
        self.probe.at("after", saga.name, step.name)
        return result

    def _must_own(self, s: Session, run: Run[E, Any]) -> None:
        """Hold the saga's row until a step's transaction ends, so that nobody takes it over in between.

        Raises:
            Fenced: somebody has.
        """
        mine = select(SagaRow.id).where(
            SagaRow.id == run.saga_id, SagaRow.owner == self.owner, SagaRow.fence == run.fence.number
        )
        if s.scalar(mine.with_for_update(read=True)) is None:
            raise Fenced(f"saga {run.fence.saga}")

    def _again(self, row: SagaRow, step: Step[E, Any], e: Exception) -> float | None:
        """Return the pause before the step is repeated, or None when it has failed for good."""
        if not (isinstance(e, TegarError) and e.retry):
            return None
        key, now_s = (row.id, step.name), self.clock.mono_s()
        first_s = self._first_try_s.setdefault(key, now_s)
        patience_s = step.long_s if isinstance(e, NotYet) else step.patience_s
        if now_s - first_s > patience_s:
            self._forget(row, step)
            return None
        if isinstance(e, NotYet):
            return e.after_s
        self._tries[key] = self._tries.get(key, 0) + 1
        self._write(row, [(step.name, "retry", str(e)[:1000])])
        return min(0.25 * 2.0 ** min(self._tries[key], 6), 5.0)

    def _forget(self, row: SagaRow, step: Step[E, Any]) -> None:
        self._first_try_s.pop((row.id, step.name), None)
        self._tries.pop((row.id, step.name), None)

    def _fail(
        self, row: SagaRow, run: Run[E, Any], saga: Saga[E, Any], step: Step[E, Any], e: Exception
    ) -> float | None:
        expected = isinstance(e, TegarError)
        facts = e.facts() if isinstance(e, TegarError) else {}
        self._log.warning("step failed", **{**facts, **_which(row, saga, step, e)}, exc_info=not expected)
        code, cs_code = (e.code, e.cs_code) if isinstance(e, TegarError) else (530, 4250)
        text = (str(e) if expected else f"Internal error in {saga.name}")[:2000]
        detail = (e.detail() if isinstance(e, TegarError) else repr(e))[:4000]
        state = State.STUCK if saga.forward_only else State.UNWINDING
        told = {"code": code, "cs_code": cs_code, "error": text, "detail": detail}
        self._write(row, [(step.name, "fail", text)], state, **told)
        if saga.forward_only:
            return None
        began = [s for s, what in self._entries(row.id) if what == "begin"]
        return self._backward(row, run, saga, [(name, "begin") for name in began])

    def _entries(self, saga_id: int) -> list[tuple[str, str]]:
        wanted = select(SagaLog.step, SagaLog.what).where(SagaLog.saga_id == saga_id).order_by(SagaLog.id)
        return [(a, b) for a, b in self.db.read(lambda s: s.execute(wanted).all())]

    def _backward(
        self, row: SagaRow, run: Run[E, Any], saga: Saga[E, Any], entries: list[tuple[str, str]]
    ) -> float | None:
        pending: list[tuple[str, str, str | None]] = []
        for step in reversed(saga.steps):
            if (step.name, "begin") not in entries or (step.name, "undone") in entries or step.undo is None:
                continue
            if (step.name, "undo") not in entries:
                self._write(row, [*pending, (step.name, "undo", None)])
                pending = []
            try:
                self.probe.at("undo-before", saga.name, step.name)
                with self.db.guarded(lambda s: self._must_own(s, run)):
                    for _ in range(self.probe.times):
                        step.undo(run)
                self.probe.at("undo-after", saga.name, step.name)
            except Fenced:
                raise
            except Exception as e:
                self._write(row, pending)
                pause_s = self._again(row, Step(step.undo, patience_s=60), e)
                if pause_s is None:
                    self._stuck(row, saga, step, e)
                return pause_s
            self._forget(row, Step(step.undo))
            pending.append((step.name, "undone", None))
        self._write(row, pending, State.FAILED)
        self._log.info("undone", saga=saga.name, saga_id=row.id)
        return None

    def _stuck(self, row: SagaRow, saga: Saga[E, Any], step: Step[E, Any], e: Exception) -> None:
        self._log.error("stuck", **_which(row, saga, step, e), exc_info=not isinstance(e, TegarError))
        self._write(row, [(step.name, "stuck", str(e)[:2000])], State.STUCK)

    def _write(
        self,
        row: SagaRow,
        entries: Sequence[tuple[str, str, str | None]],
        state: State | None = None,
        **error: Any,
    ) -> None:
        """Append to the log if the saga is still ours.

        Raises:
            Fenced: it is not.
        """
        if not entries and state is None:
            return
        values: dict[str, Any] = {"version": SagaRow.version + 1, **error}
        if state:
            values["state"] = state
            if state not in OPEN:
                values |= {"owner": None, "ended_s": self.clock.now_s()}

        def work(s: Session) -> None:
            mine = update(SagaRow).where(
                SagaRow.id == row.id, SagaRow.owner == self.owner, SagaRow.fence == row.fence
            )
            if changed(s, mine.values(**values)) != 1:
                raise Fenced(f"saga {row.uuid}")
            now_s = self.clock.now_s()
            if entries:
                s.execute(
                    insert(SagaLog),
                    [
                        {
                            "saga_id": row.id,
                            "at_s": now_s,
                            "fence": row.fence,
                            "step": step,
                            "what": what,
                            "text": text,
                        }
                        for step, what, text in entries
                    ],
                )
            if state == State.STUCK and self._on_stuck:
                s.refresh(merged := s.get_one(SagaRow, row.id))
                self._on_stuck(s, merged)

        self.db.tx(work)


def _which(row: SagaRow, saga: Saga[Any, Any], step: Step[Any, Any], e: Exception) -> dict[str, Any]:
    return {"saga": saga.name, "saga_id": row.id, "step": step.name, "error": str(e) or repr(e)}


def settle(engine: Engine[Any], saga_id: int, *, limit_s: float = 300) -> None:
    """Drive one saga to its end in this thread; for tests and tools.

    Raises:
        TimeoutError: it did not end within *limit_s* seconds of the engine's clock.
    """
    deadline_s = engine.clock.mono_s() + limit_s
    while (pause_s := engine.drive(saga_id)) is not None:
        if engine.clock.mono_s() > deadline_s:
            raise TimeoutError(f"saga {saga_id} did not end")
        engine.clock.sleep(pause_s)
