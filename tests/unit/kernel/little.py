"""A little saga for the tests of the engine: its steps keep notes as settings and ask nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.kernel.clock import Clock, ManualClock
from tegar.kernel.db import Db
from tegar.kernel.engine import Engine
from tegar.kernel.saga import Run, Saga, SagaLog, SagaRow, State, Step
from tegar.kernel.settings import SettingRow


@dataclass
class Little:
    """All the steps may touch: the database, and orders of the test by step's name."""

    db: Db
    orders: dict[str, Callable[[], object]] = field(default_factory=dict)

    def obey(self, step: str) -> None:
        """Do what the test ordered for a step."""
        self.orders.get(step, lambda: None)()


@dataclass(frozen=True)
class Params:
    """Nothing to say."""

    word: str = "x"


def write(db: Db, name: str) -> None:
    """Note that a step has taken effect; twice is once."""

    def work(s: Session) -> None:
        if s.scalar(select(SettingRow.id).where(SettingRow.name == name)) is None:
            s.add(SettingRow(name=name, value="1"))

    db.tx(work)


def erase(db: Db, name: str) -> None:
    """Take the note back."""
    db.tx(lambda s: s.execute(delete(SettingRow).where(SettingRow.name == name)))


def notes(db: Db) -> list[str]:
    """Return the notes that stand."""
    return sorted(db.read(lambda s: s.scalars(select(SettingRow.name)).all()))


def one(run: Run[Little, Params]) -> str:
    run.env.obey("one")
    write(run.env.db, "one")
    return run.params.word


def not_one(run: Run[Little, Params]) -> None:
    run.env.obey("not_one")
    erase(run.env.db, "one")


def two(run: Run[Little, Params]) -> int:
    run.env.obey("two")
    write(run.env.db, "two")
    return len(run.result(one))


def not_two(run: Run[Little, Params]) -> None:
    run.env.obey("not_two")
    erase(run.env.db, "two")


def three(run: Run[Little, Params]) -> None:
    run.env.obey("three")
    write(run.env.db, "three")


LITTLE = Saga[Little, Params]("little", Params, Step(one, undo=not_one), Step(two, undo=not_two), Step(three))
FORWARD = Saga[Little, Params]("forward", Params, Step(one), Step(three), forward_only=True)
SAGAS = {saga.name: saga for saga in (LITTLE, FORWARD)}


class Bench:
    """An engine on a little saga, with time that the test moves."""

    def __init__(self, db: Db, clock: Clock | None = None, owner: str = "a", **more: object) -> None:
        self.clock = clock or ManualClock()
        self.db, self.env = db, Little(db)
        self.engine: Engine[Little] = Engine(db, self.env, SAGAS, owner, self.clock, **more)  # type: ignore[arg-type]

    def submit(self, saga: Saga[Little, Params] = LITTLE) -> int:
        """Submit and claim; return the saga's id."""
        saga_id = self.db.tx(lambda s: saga.submit(s, Params()).id)
        assert self.engine.claim(saga_id)
        return saga_id

    def state(self, saga_id: int) -> State:
        """Return where it is."""
        return self.db.read(lambda s: s.get_one(SagaRow, saga_id).state)

    def log(self, saga_id: int) -> list[str]:
        """Return its log in words."""
        wanted = select(SagaLog.step, SagaLog.what).where(SagaLog.saga_id == saga_id).order_by(SagaLog.id)
        return [f"{step} {what}" for step, what in self.db.read(lambda s: s.execute(wanted).all())]
