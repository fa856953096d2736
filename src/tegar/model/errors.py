"""Errors that callers meet, beyond the kernel's::

TegarError
├── Denied             531  the caller may not
├── NoCapacity         533  no host (or pool) has room
├── PromiseBroken      533  too little room would be left for VMs of hosts that fail
├── RoomHeld           533  the room is held for VMs of hosts that fell silent or failed
├── OutOfAddresses     533  a network has none left
├── NoPublicAddress    533  a zone has none left
├── RuleConflict       537  two rules would want the same packets
├── InUse              536  others depend on it
├── Exists             431  the name is taken
├── WrongPassword      530  a BMC does not let us in
├── BmcRefused         530  a BMC said no, or nonsense
├── NotProven          530  a host is not known to be off
├── ShuttingDown       503  this server takes no more jobs; a load balancer asks another
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
class RoomHeld(TegarError):
    """Virtual machines of a host that fell silent, or that wait for their restart, may need the room in a moment."""

    code = 533
    cs_code = 4335
    says = (
        "{what} is refused for now: the room that is left is held for virtual machines of hosts that fell silent"
        " or failed"
    )

    what: str
    cluster: str  # shown to admins, as why
    why: str

    def detail(self) -> str:
        """Return the sentence with whose room it is."""
        return f"{self}. In cluster {self.cluster}, {self.why}"


@dataclass(eq=False)
class OutOfAddresses(TegarError):
    """Every address of the network is taken."""

    code = 533
    cs_code = 4325
    says = "Network {network} has no free address"

    network: str


@dataclass(eq=False)
class NoPublicAddress(TegarError):
    """Every public address of the zone that the account may have is taken."""

    code = 533
    cs_code = 4325
    says = "Zone {zone} has no free public address for {what}"

    zone: str
    what: str


@dataclass(eq=False)
class RuleConflict(TegarError):
    """Another rule wants the same packets, or the address is used for something else."""

    code = 537
    cs_code = 4360
    says = "{why}"

    why: str


@dataclass(eq=False)
class NoSegment(TegarError):
    """Every id of a physical network's ranges is taken by some guest network."""

    code = 533
    cs_code = 4325
    says = "Physical network {physical} has no free VLAN or VXLAN id in {ranges}"

    physical: str
    ranges: str


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


@dataclass(eq=False)
class WrongPassword(TegarError):
    """A BMC does not know the user, or not with this password; never says which password."""

    cs_code = 4340
    says = "The BMC at {bmc} does not accept the user name {username} with the password it was given"

    bmc: str
    username: str


@dataclass(eq=False)
class BmcRefused(TegarError):
    """A BMC answered, and not as it should; asking the same again will not help."""

    cs_code = 4340
    says = "The BMC at {bmc} refused: {why}"

    bmc: str
    why: str


@dataclass(eq=False)
class NotProven(TegarError):
    """A BMC did not read what was wanted of it in time, whatever it had promised."""

    cs_code = 4340
    says = "The BMC at {bmc} did not read {wanted} within {waited_s:.1f} s: {why}"

    bmc: str
    wanted: str
    waited_s: float
    why: str


@dataclass(eq=False)
class ShuttingDown(TegarError):
    """A server that is being taken out of service was asked.  Nothing was done: any other may be asked."""

    code = 503
    retry = True
    says = "Maintenance or Shutdown has been initiated on this management server. Can not accept new jobs"
