"""The database of the simulated world: rows, fenced transactions, and what may befall them.

It may be away for a while, and it may lose its latest commits, as a failover to a stale copy does.
``places`` and ``proofs`` beside the tables are the truth of all that was ever committed: the invariants
look there, and nobody else does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from tegar.ha.decide import LeaseId

if TYPE_CHECKING:
    from tegar.sim.ha.engine import Engine

T = TypeVar("T")
COMMITS_KEPT = 200


class Away(Exception):
    """The database does not answer."""


class Fenced(Exception):
    """Somebody else leads, or owns the saga, by now."""


@dataclass(frozen=True)
class Place:
    """Where a VM may run, under which lease and which epoch of its own."""

    lease: LeaseId
    vm_epoch: int


@dataclass(frozen=True)
class VmRow:
    """A VM; ``epoch_owner`` raised its epoch last, ``held`` is why it does not start."""

    state: Literal["starting", "running", "migrating"] = "starting"
    epoch: int = 0
    epoch_owner: str = ""
    host: str = ""
    places: tuple[Place, ...] = ()
    held: str = ""
    version: int = 0

    def at(self, host: str) -> Place | None:
        """Return the VM's place on a host."""
        return next((place for place in self.places if place.lease.host == host), None)

    def on(self, host: str, *, without: str = "") -> VmRow:
        """Return the VM on that host, its place on another one given up."""
        left = tuple(place for place in self.places if place.lease.host != without)
        return replace(self, host=host, places=left)


@dataclass(frozen=True)
class LeaseRow:
    """The latest lease of a host that a leader saw accepted."""

    lease: LeaseId
    state: Literal["live", "suspect", "dead"] = "live"
    flaps: int = 0
    quarantined: bool = False


@dataclass(frozen=True)
class SagaRow:
    """Work that somebody owns until it is done."""

    name: Literal["restart", "migrate"]
    vm: str
    uuid: str
    owner: str
    fence: int = 1
    done: bool = False
    first: str = ""  # where to, if there is room


@dataclass
class Tables:
    """What one copy of the database holds."""

    vms: dict[str, VmRow]
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    deaths: dict[tuple[str, str], int] = field(default_factory=dict)  # host, boot: the highest dead epoch
    sagas: dict[str, SagaRow] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    leader: tuple[str, int] = ("", 0)
    armed: bool = True

    def copy(self) -> Tables:
        """Return a copy; rows are frozen."""
        return Tables(
            dict(self.vms),
            dict(self.leases),
            dict(self.deaths),
            dict(self.sagas),
            dict(self.beats),
            self.leader,
            self.armed,
        )

    def is_dead(self, lease: LeaseId) -> bool:
        """Whether a proof is recorded that nothing under this lease can write."""
        return self.deaths.get((lease.host, lease.boot), -1) >= lease.epoch

    def put(self, vm: str, row: VmRow) -> VmRow:
        """Write a VM's row."""
        self.vms[vm] = replace(row, version=row.version + 1)
        return self.vms[vm]


class Sql:
    """One database for all management servers."""

    def __init__(self, engine: Engine, vms: list[str]) -> None:
        """Begin with VMs that never ran."""
        self._engine, self.vms = engine, vms
        self.tables = Tables({vm: VmRow() for vm in vms})
        self.away_until_s = 0.0
        self.unheard: set[str] = set()  # servers whose way to the database is cut
        self.places: dict[str, list[Place]] = {}
        self.ended: dict[tuple[str, int], str] = {}  # VM, epoch of a place that ended otherwise than by proof
        self.proofs: dict[LeaseId, str] = {}
        self._commits: deque[tuple[float, Tables]] = deque(maxlen=COMMITS_KEPT)

    def tx(self, server: str, work: Callable[[Tables], T]) -> T:
        """Run a transaction: all of it, or nothing if it raises.

        Raises:
            Away: the database does not answer this server.
        """
        if self._engine.now_s < self.away_until_s or server in self.unheard:
            raise Away
        after = self.tables.copy()
        result = work(after)
        self._commits.append((self._engine.now_s, self.tables))
        self.tables = after
        return result

    def lose_commits(self, seconds: float) -> None:
        """Become what the database was so long ago."""
        then_s = self._engine.now_s - seconds
        while self._commits and self._commits[-1][0] >= then_s:
            self.tables = self._commits.pop()[1]

    def submit(self, server: str, vm: str, saga: SagaRow) -> bool:
        """Make a running VM migrate; False when it could not be asked for."""

        def work(t: Tables) -> bool:
            row = t.vms[vm]
            if row.state != "running":
                return False
            t.put(vm, replace(row, state="migrating"))
            t.sagas[saga.uuid] = saga
            return True

        try:
            return self.tx(server, work)
        except Away:
            return False

    def placed(self, vm: str, place: Place) -> None:
        """Note a place for the invariants, once the witnesses granted it: before, nothing can run there."""
        known = self.places.setdefault(vm, [])
        if place not in known:
            known.append(place)

    def is_over(self, vm: str, place: Place) -> bool:
        """Whether nothing can write at this place, by a proof that was ever recorded."""
        if (vm, place.vm_epoch) in self.ended:
            return True
        host, boot, epoch = place.lease
        return any((it.host, it.boot) == (host, boot) and it.epoch >= epoch for it in self.proofs)

    def unproven(self, vm: str, vm_epoch: int) -> str:
        """Return an older place of the VM that nothing proved dead."""
        for place in self.places.get(vm, ()):
            if place.vm_epoch < vm_epoch and not self.is_over(vm, place):
                return " ".join(map(str, place.lease))
        return ""
