"""Hosts: whether one answers, and whether it may get work."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Whether the host's agent answers; the values are the API's."""

    UP = "Up"
    ALERT = "Alert"
    DISCONNECTED = "Disconnected"
    DOWN = "Down"
    REMOVED = "Removed"


class Event(StrEnum):
    """What happens to a host."""

    ANSWERED = "answer"
    SILENT = "fall silent"
    DIED = "be proven dead"
    REMOVE = "be removed"


class Resource(StrEnum):
    """What the operator wants of the host; the values are the API's."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PREPARE_FOR_MAINTENANCE = "PrepareForMaintenance"
    MAINTENANCE = "Maintenance"
    ERROR_IN_MAINTENANCE = "ErrorInMaintenance"
    DEGRADED = "Degraded"


class Wish(StrEnum):
    """What an operator asks of a host, and what comes of it."""

    ENABLE = "be enabled"
    DISABLE = "be disabled"
    PREPARE = "be prepared for maintenance"
    EMPTIED = "have been emptied"
    NOT_EMPTIED = "fail to be emptied"
    CANCEL_MAINTENANCE = "have its maintenance cancelled"
    DEGRADE = "be declared degraded"
    CANCEL_DEGRADED = "be no longer degraded"


_ = State
HOST = Machine(
    "host",
    start=State.UP,
    table=[
        (_.UP,            Event.SILENT,    _.DISCONNECTED),
        (_.DISCONNECTED,  Event.ANSWERED,  _.UP),
        (_.ALERT,         Event.ANSWERED,  _.UP),
        (_.UP,            Event.DIED,      _.DOWN),
        (_.DISCONNECTED,  Event.DIED,      _.DOWN),
        (_.ALERT,         Event.DIED,      _.DOWN),
        (_.DOWN,          Event.ANSWERED,  _.UP),
        (_.DOWN,          Event.REMOVE,    _.REMOVED),
        (_.UP,            Event.REMOVE,    _.REMOVED),
        (_.DISCONNECTED,  Event.REMOVE,    _.REMOVED),
        (_.ALERT,         Event.REMOVE,    _.REMOVED),
    ],
)  # fmt: skip

_r = Resource
RESOURCE = Machine(
    "host",
    start=Resource.ENABLED,
    table=[
        # from                       on                        to
        (_r.ENABLED,                  Wish.DISABLE,             _r.DISABLED),
        (_r.DISABLED,                 Wish.ENABLE,              _r.ENABLED),
        (_r.ENABLED,                  Wish.PREPARE,             _r.PREPARE_FOR_MAINTENANCE),
        (_r.DISABLED,                 Wish.PREPARE,             _r.PREPARE_FOR_MAINTENANCE),
        (_r.ERROR_IN_MAINTENANCE,     Wish.PREPARE,             _r.PREPARE_FOR_MAINTENANCE),
        (_r.PREPARE_FOR_MAINTENANCE,  Wish.EMPTIED,             _r.MAINTENANCE),
        (_r.PREPARE_FOR_MAINTENANCE,  Wish.NOT_EMPTIED,         _r.ERROR_IN_MAINTENANCE),
        (_r.PREPARE_FOR_MAINTENANCE,  Wish.CANCEL_MAINTENANCE,  _r.ENABLED),
        (_r.MAINTENANCE,              Wish.CANCEL_MAINTENANCE,  _r.ENABLED),
        (_r.ERROR_IN_MAINTENANCE,     Wish.CANCEL_MAINTENANCE,  _r.ENABLED),
        (_r.ENABLED,                  Wish.DEGRADE,             _r.DEGRADED),
        (_r.DISABLED,                 Wish.DEGRADE,             _r.DEGRADED),
        (_r.ERROR_IN_MAINTENANCE,     Wish.DEGRADE,             _r.DEGRADED),
        (_r.DEGRADED,                 Wish.CANCEL_DEGRADED,     _r.ENABLED),
    ],
)  # fmt: skip

LEAVING = (Resource.PREPARE_FOR_MAINTENANCE, Resource.MAINTENANCE, Resource.ERROR_IN_MAINTENANCE)
