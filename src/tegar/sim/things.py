"""What a simulated world is made of: plain records; ``world`` says how they behave."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tegar.agent.host import Host
from tegar.model.router import RouterSpec
from tegar.model.spec import DomainSpec, NicSpec
from tegar.model.units import GIB, TIB
from tegar.wire.guard import SetGuard
from tegar.wire.virt import DomainState, Ended

if TYPE_CHECKING:
    from tegar.sim.hands import SimHands

FIRST_VNC_PORT = 5900
EMPTY_DISK_BYTES = 196_616  # what qemu-img's empty qcow2 takes
UNIQUE = uuids.UUID("9a3f1f62-6f1b-4c3c-9d9b-2d1f4c0f7e55")

Where = tuple[str, str]


@dataclass(frozen=True)
class Shape:
    """How large hosts are, and how large pools and image stores."""

    cpus: int = 16
    cpu_mhz: int = 2400
    memory_bytes: int = 64 * GIB
    pool_bytes: int = 10 * TIB


@dataclass
class Times:
    """Seconds that things take.  Seeding and fetching answer NotYet meanwhile; the others block."""

    start_s: float = 0.0
    shutdown_s: float = 0.0
    migrate_s: float = 0.0
    seed_s: float = 0.0
    fetch_s: float = 0.0
    boot_s: float = 5.0  # after a reset


@dataclass
class Faults:
    """What is wrong with a host.

    ``refuse`` and ``lose`` count questions by name, ``*`` for any: the next so many are refused
    with an error, or take effect and their answer is lost.  ``cut`` names the witnesses with which
    nothing is exchanged, ``*`` all; until ``warden_held_until_s`` the warden does not run.
    """

    connected: bool = True
    slow_s: float = 0.0
    disk_full: bool = False
    storage_away: bool = False
    missing_bridges: set[str] = field(default_factory=set)
    refuse: dict[str, int] = field(default_factory=dict)
    lose: dict[str, int] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    warden_held_until_s: float = 0.0


@dataclass(eq=False)
class Disk:
    """A file of a pool.  ``writers`` are (host, domain) that have it open; ``boots`` is what guests wrote."""

    uuid: str
    size_bytes: int
    physical_bytes: int
    base: str = ""
    boots: int = 0
    writers: set[Where] = field(default_factory=set)


@dataclass(eq=False)
class Image:
    """A template on a pool or an image store; ``ready_s`` is when its copy is whole."""

    uuid: str
    format: str
    size_bytes: int
    physical_bytes: int
    sha256: str
    ready_s: float = 0.0


@dataclass(eq=False)
class Storage:
    """A primary pool or an image store."""

    name: str
    capacity_bytes: int
    disks: dict[str, Disk] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)

    def used_bytes(self) -> int:
        """Return what all files take."""
        return sum(d.physical_bytes for d in self.disks.values()) + sum(
            i.physical_bytes for i in self.images.values()
        )


@dataclass(eq=False)
class Guest:
    """A domain on a host; ``disks`` are those plugged in now, root first.

    Only one that ``runs`` writes; ``admitted``: it went through the gate, or ran before there was one.
    """

    spec: DomainSpec
    vnc_port: int
    since_s: float
    disks: dict[str, Disk] = field(default_factory=dict)
    state: DomainState = DomainState.PAUSED
    runs: bool = False
    admitted: bool = False
    deaf: bool = False
    boots: int = 0
    answered_s: float | None = None


@dataclass(frozen=True)
class ReportTo:
    """Where a host reports what happens by itself."""

    host_uuid: str
    urls: tuple[str, ...]
    secret: str


@dataclass
class SimBmc:
    """A simulated host's BMC.

    Attributes:
        password: of its one account, ``admin``.
        dark: it does not answer.
        lies: it says yes and does nothing.
        resets: how often the host was reset or cycled.
    """

    password: str = "bmc"  # noqa: S105 - of a simulation
    dark: bool = False
    lies: bool = False
    resets: int = 0


@dataclass(eq=False)
class Machine:
    """A simulated host.

    ``opened`` are the pools it has reached since it booted, ``pools`` their uuids, ``watched`` those
    that it was told its guests use; ``guard`` is how it was told to be
    guarded, which survives boots; ``boots_at_s`` is when it will be up after a reset.
    """

    name: str
    shape: Shape
    powered: bool = True
    boot: int = 1
    faults: Faults = field(default_factory=Faults)
    guests: dict[str, Guest] = field(default_factory=dict)
    arriving: dict[str, Guest] = field(default_factory=dict)
    routers: dict[str, RouterSpec] = field(default_factory=dict)
    filters: dict[str, tuple[NicSpec, ...]] = field(default_factory=dict)
    expected: dict[str, tuple[NicSpec, ...]] = field(default_factory=dict)
    opened: set[Where] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    watched: set[str] = field(default_factory=set)
    reports: ReportTo | None = None
    agent: Host | None = None
    hands: SimHands | None = None
    guard: SetGuard | None = None
    boots_at_s: float | None = None
    ended: list[tuple[float, Ended]] = field(default_factory=list)
    bmc: SimBmc = field(default_factory=SimBmc)

    @property
    def uuid(self) -> str:
        """The machine's own uuid, the same in every world."""
        return str(uuids.uuid5(UNIQUE, self.name))

    @property
    def boot_id(self) -> str:
        """What changes with every boot."""
        return f"{self.uuid}/{self.boot}"

    @property
    def migration_address(self) -> str:
        """Where guests are sent to."""
        return f"{self.name}.sim"

    def memory_used_bytes(self) -> int:
        """Return what its guests take, those that arrive too."""
        return sum(g.spec.memory_bytes for g in (*self.guests.values(), *self.arriving.values()))

    def free_vnc_port(self) -> int:
        """Return the lowest display port that no guest has."""
        taken = {g.vnc_port for g in (*self.guests.values(), *self.arriving.values())}
        return next(port for port in range(FIRST_VNC_PORT, 65536) if port not in taken)
