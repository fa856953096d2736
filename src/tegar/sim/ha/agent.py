"""What management servers and the agents of simulated hosts say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Said = Literal["done", "closed", "refused"]


@dataclass(frozen=True)
class Request:
    """A question; its nonce names the answer."""

    nonce: int
    question: Any


@dataclass(frozen=True)
class Reply:
    """An answer."""

    nonce: int
    answer: Any


@dataclass(frozen=True)
class Ended:
    """Unasked: a guest's process ended by itself."""

    host: str


@dataclass(frozen=True)
class Permit:
    """The right to run a VM: of a boot, a lease, and the VM's epoch."""

    boot: str
    epoch: int
    vm_epoch: int


@dataclass(frozen=True)
class Fence:
    """As whom one asks: an older owner of the saga is refused."""

    saga: str
    number: int


@dataclass(frozen=True)
class Start:
    """Run a VM; safe to repeat."""

    vm: str
    permit: Permit
    fence: Fence


@dataclass(frozen=True)
class Resume:
    """Let a VM that arrived run; safe to repeat."""

    vm: str
    permit: Permit
    fence: Fence


@dataclass(frozen=True)
class Stop:
    """Let no copy of a VM be here, and none of this epoch ever be; safe to repeat."""

    vm: str
    vm_epoch: int
    fence: Fence


@dataclass(frozen=True)
class Move:
    """Send a running VM to another host, where it arrives paused."""

    vm: str
    to: str
    vm_epoch: int
    fence: Fence


@dataclass(frozen=True)
class Drop:
    """Let a copy that was never let run not be here; one that was stays."""

    vm: str


@dataclass(frozen=True)
class Look:
    """Which VMs are here, and which boot is this?"""


@dataclass(frozen=True)
class Seen:
    """The answer."""

    boot: str
    vms: frozenset[str]
    waiting: frozenset[str] = frozenset()  # those that were never let run
