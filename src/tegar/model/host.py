"""Hosts: whether one answers, and whether it may get work."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Whether the host's agent answers; the values are the API's."""

    UP = "Up"
    ALERT = "Alert"
    DISCONNECTED = "Disconnected"
    REMOVED = "Removed"


class Event(StrEnum):
    """What happens to a host."""

    ANSWERED = "answer"
    SILENT = "fall silent"
    REMOVE = "be removed"


class Resource(StrEnum):
    """What the operator wants of the host; the values are the API's."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    MAINTENANCE = "Maintenance"


_ = State
HOST = Machine(
    "host",
    start=State.UP,
    table=[
        (_.UP,            Event.SILENT,    _.DISCONNECTED),
        (_.DISCONNECTED,  Event.ANSWERED,  _.UP),
        (_.ALERT,         Event.ANSWERED,  _.UP),
        (_.UP,            Event.REMOVE,    _.REMOVED),
        (_.DISCONNECTED,  Event.REMOVE,    _.REMOVED),
        (_.ALERT,         Event.REMOVE,    _.REMOVED),
    ],
)  # fmt: skip
