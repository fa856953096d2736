"""Networks: states, events, traffic types."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a network is; the values are the API's.  One that is Allocated has no segment and no router yet."""

    ALLOCATED = "Allocated"
    SETUP = "Setup"
    IMPLEMENTED = "Implemented"
    SHUTDOWN = "Shutdown"
    DESTROY = "Destroy"


class Event(StrEnum):
    """What happens to a network."""

    IMPLEMENTED = "be implemented"
    RELEASED = "be shut down"
    DELETE = "be deleted"
    DELETED = "be gone"
    DELETE_FAILED = "fail to be deleted"


class Traffic(StrEnum):
    """What a physical network carries."""

    GUEST = "Guest"
    PUBLIC = "Public"
    MANAGEMENT = "Management"
    STORAGE = "Storage"


_ = State
NETWORK = Machine(
    "network",
    start=State.SETUP,
    table=[
        (_.ALLOCATED,    Event.IMPLEMENTED,    _.IMPLEMENTED),
        (_.IMPLEMENTED,  Event.RELEASED,       _.ALLOCATED),
        (_.ALLOCATED,    Event.DELETE,         _.SHUTDOWN),
        (_.SETUP,        Event.IMPLEMENTED,    _.IMPLEMENTED),
        (_.SETUP,        Event.DELETE,         _.SHUTDOWN),
        (_.IMPLEMENTED,  Event.DELETE,         _.SHUTDOWN),
        (_.SHUTDOWN,     Event.DELETED,        _.DESTROY),
        (_.SHUTDOWN,     Event.DELETE_FAILED,  _.SETUP),
    ],
)  # fmt: skip

JOINABLE = (State.ALLOCATED, State.SETUP, State.IMPLEMENTED)  # VMs may be deployed into it
