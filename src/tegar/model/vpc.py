"""Virtual private clouds: states and events."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a VPC is; the values are the API's."""

    ENABLED = "Enabled"
    INACTIVE = "Inactive"


class Event(StrEnum):
    """What happens to a VPC."""

    DELETE = "be deleted"
    DELETE_FAILED = "fail to be deleted"


VPC = Machine(
    "VPC",
    start=State.ENABLED,
    table=[
        (State.ENABLED, Event.DELETE, State.INACTIVE),
        (State.INACTIVE, Event.DELETE_FAILED, State.ENABLED),
    ],
)
