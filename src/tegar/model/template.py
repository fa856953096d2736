"""Templates: what a copy of one on an image store or a pool is doing."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a template is."""

    FETCHING = "Fetching"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"
    DELETED = "Deleted"


class Event(StrEnum):
    """What happens to a template."""

    FETCHED = "have been fetched"
    FETCH_FAILED = "fail to be fetched"
    DELETE = "be deleted"
    DELETED = "be gone"
    DELETE_FAILED = "fail to be deleted"


_ = State
TEMPLATE = Machine(
    "template",
    start=State.FETCHING,
    table=[
        (_.FETCHING,  Event.FETCHED,        _.READY),
        (_.FETCHING,  Event.FETCH_FAILED,   _.FAILED),
        (_.READY,     Event.DELETE,         _.DELETING),
        (_.FAILED,    Event.DELETE,         _.DELETING),
        (_.DELETING,  Event.DELETED,        _.DELETED),
        (_.DELETING,  Event.DELETE_FAILED,  _.READY),
    ],
)  # fmt: skip
