"""Networks: states, events, traffic types."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a network is; the values are the API's.

    One that is Allocated has no segment and no router yet, or gave them back (Shutdown is on the way there).
    """

    ALLOCATED = "Allocated"
    SETUP = "Setup"
    IMPLEMENTED = "Implemented"
    SHUTDOWN = "Shutdown"
    DESTROY = "Destroy"


class Event(StrEnum):
    """What happens to a network."""

    IMPLEMENTED = "be implemented"
    RELEASE = "be shut down"
    RELEASED = "have shut down"
    RELEASE_FAILED = "fail to shut down"
    DELETE = "be deleted"
    DELETE_FAILED = "fail to be deleted"


class Traffic(StrEnum):
    """What a physical network carries."""

    GUEST = "Guest"
    PUBLIC = "Public"
    MANAGEMENT = "Management"
    STORAGE = "Storage"


class NicState(StrEnum):
    """Where a NIC is; one that comes or goes has a job that says when it is done."""

    ADDING = "Adding"  # not in the domain yet
    ACTIVE = "Active"
    REMOVING = "Removing"  # still in the domain
    UNPLUGGED = "Unplugged"  # no more in the domain


PLUGGED = (NicState.ACTIVE, NicState.REMOVING)  # these a domain has when it starts
LEAVING = (NicState.REMOVING, NicState.UNPLUGGED)  # routers know these no more

_ = State
NETWORK = Machine(
    "network",
    start=State.SETUP,
    table=[
        (_.ALLOCATED,    Event.IMPLEMENTED,     _.IMPLEMENTED),
        (_.SETUP,        Event.IMPLEMENTED,     _.IMPLEMENTED),
        (_.IMPLEMENTED,  Event.RELEASE,         _.SHUTDOWN),
        (_.SHUTDOWN,     Event.RELEASED,        _.ALLOCATED),
        (_.SHUTDOWN,     Event.RELEASE_FAILED,  _.IMPLEMENTED),
        (_.SETUP,        Event.RELEASED,        _.ALLOCATED),
        (_.ALLOCATED,    Event.DELETE,          _.DESTROY),
        (_.SETUP,        Event.DELETE,          _.DESTROY),
        (_.IMPLEMENTED,  Event.DELETE,          _.DESTROY),
        (_.DESTROY,      Event.DELETE_FAILED,   _.SETUP),
    ],
)  # fmt: skip

JOINABLE = (State.ALLOCATED, State.SETUP, State.IMPLEMENTED, State.SHUTDOWN)  # VMs may be deployed into it
