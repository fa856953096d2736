"""Errors that callers meet, beyond the kernel's::

TegarError
├── Denied             531  the caller may not
├── NoCapacity         533  no host (or pool) has room
├── PromiseBroken      533  too little room would be left for VMs of hosts that fail
├── OutOfAddresses     533  a network has none left
├── InUse              536  others depend on it
├── Exists             431  the name is taken
└── HostError          530  a host could not do it
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tegar.kernel.errors import TegarError


@dataclass(eq=False)
class Denied(TegarError):
    """The caller may see it but not do this."""

    code = 531
    cs_code = 4365
    says = "{why}"

    why: str


@dataclass(eq=False)
class NoCapacity(TegarError):
    """Placement looked at every host or pool and none will do."""

    code = 533
    cs_code = 4335
    says = "No {what} has room ({looked_at} looked at)"

    what: str
    looked_at: int
    refusals: dict[str, str] = field(default_factory=dict)  # name -> why; shown to admins

    def detail(self) -> str:
        """Return the sentence with every refusal."""
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(self.refusals.items()))
        return f"{self}: {reasons}" if reasons else str(self)


@dataclass(eq=False)
class PromiseBroken(TegarError):
    """The cluster could not survive the loss of as many hosts any more as it promises."""

    code = 533
    cs_code = 4335
    says = "{what} is refused: the room that is left is kept for virtual machines of hosts that fail"

    what: str
    cluster: str  # shown to admins, as why
    why: str

    def detail(self) -> str:
        """Return the sentence with the loss that could not be survived, and the way around."""
        return f"{self}. In cluster {self.cluster}, {self.why} (its setting ha.admission.override allows it)"


@dataclass(eq=False)
class OutOfAddresses(TegarError):
    """Every address of the network is taken."""

    code = 533
    cs_code = 4325
    says = "Network {network} has no free address"

    network: str


@dataclass(eq=False)
class InUse(TegarError):
    """Something else still depends on it."""

    code = 536
    cs_code = 4375
    says = "{what} is in use: {why}"

    what: str
    why: str


@dataclass(eq=False)
class Exists(TegarError):
    """The name is taken."""

    code = 431
    cs_code = 4350
    says = "A {what} named {name} exists already"

    what: str
    name: str


@dataclass(eq=False)
class LoginFailed(TegarError):
    """Wrong name or password; never says which."""

    code = 531
    cs_code = 4365
    says = "Failed to authenticate user {username} in domain {domain}; please provide valid credentials"

    username: str
    domain: str
