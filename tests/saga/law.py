"""The law: fail before every step and after it, with everything twice, and the world is what it was.

Each saga is registered here by a Case: how its world is made and which request submits it.  What
may differ afterwards is declared next to it, by name and with a reason; a case that declares
nothing gets no mercy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, select

from support.cloud import Cloud
from support.picture import Picture
from tegar.kernel.errors import TegarError
from tegar.kernel.saga import SagaRow, State
from tegar.saga.table import SAGAS


@dataclass(frozen=True)
class Allowed:
    """A difference that is right: takes it out of ``after`` and fails when it is not as it should be."""

    reason: str
    forgive: Callable[[Picture, Picture], None]


@dataclass(frozen=True)
class Case:
    """One way to run a saga: ``prepare`` makes the world, ``request`` submits the saga (once)."""

    saga: str
    prepare: Callable[[Cloud], object]
    request: Callable[[Cloud], object]
    name: str = ""
    allowed: tuple[Allowed, ...] = ()

    def __str__(self) -> str:
        """Return the name that tests carry."""
        return f"{self.saga}-{self.name}" if self.name else self.saga


CASES: list[Case] = []


def case(found: Case) -> Case:
    """Register a case."""
    if found.saga not in SAGAS:
        raise ValueError(f"there is no saga {found.saga}")
    CASES.append(found)
    return found


@dataclass(eq=False)
class Injected(TegarError):
    """The failure that a test ordered."""

    says = "The test made {step} fail {point} its work"

    point: str
    step: str


@dataclass
class Watcher:
    """A probe: runs everything so many times, fails at one point once, counts what steps do."""

    cloud: Cloud
    saga: str
    times: int = 1
    point: str = ""
    step: str = ""
    commits: int = 0
    failed: bool = False
    wrote: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        event.listen(self.cloud.db.engine, "commit", self._commit)

    def _commit(self, _: object) -> None:
        self.commits += 1

    def at(self, point: str, saga: str, step: str) -> None:
        """Note what a step did; fail where it was ordered."""
        if saga != self.saga:
            return
        asked = len(self.cloud.world.asked)
        if point == "before":
            self.wrote[step] = (self.commits, asked)
        elif point == "after":
            began = self.wrote[step]
            self.wrote[step] = (self.commits - began[0], asked - began[1])
        if (point, step) == (self.point, self.step) and not self.failed:
            self.failed = True
            raise Injected(point, step)


def submit(cloud: Cloud, chosen: Case, watcher: Watcher) -> int:
    """Make the request with the watcher looking on; return the saga's id, not yet run."""
    before = set(cloud.db.read(lambda s: s.scalars(select(SagaRow.id)).all()))
    cloud.engine = cloud.make_engine(watcher)
    cloud.listen()
    cloud.hold = True
    chosen.request(cloud)
    cloud.hold = False
    after = cloud.db.read(lambda s: s.execute(select(SagaRow.id, SagaRow.name)).all())
    mine = [saga_id for saga_id, name in after if saga_id not in before and name == chosen.saga]
    assert len(mine) == 1, f"the request must submit one {chosen.saga}, not {len(mine)}"
    return mine[0]


def first(cloud: Cloud, command: str, key: str, **params: Any) -> str:
    """Return the id of the first row of a list, whoever owns it."""
    found: str = cloud.api(command, listall=True, **params)[key][0]["id"]
    return found


def state_of(cloud: Cloud, saga_id: int) -> State:
    """Return where a saga is."""
    return cloud.db.read(lambda s: s.get_one(SagaRow, saga_id).state)


def points(*, forward_only: bool) -> list[tuple[Case, str, str]]:
    """Return every case with every point of every step that can still fail.

    After a last step without undo the saga is at its end: what was committed cannot fail.
    """
    return [
        (chosen, step.name, point)
        for chosen in CASES
        for step in SAGAS[chosen.saga].steps
        for point in ("before", "after")
        if SAGAS[chosen.saga].forward_only == forward_only
        if forward_only or point == "before" or step.undo or step is not SAGAS[chosen.saga].steps[-1]
    ]
