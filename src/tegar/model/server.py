"""Management servers: whether one works, and how it is taken out of service."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """What a management server does; the values are the API's."""

    UP = "Up"
    PREPARING = "PreparingForShutDown"
    READY = "ReadyToShutDown"
    SHUTTING_DOWN = "ShuttingDown"
    DOWN = "Down"


class Event(StrEnum):
    """What happens to a management server."""

    START = "start"
    PREPARE = "be prepared for shutdown"
    DRAINED = "have finished its work"
    TRIGGER = "be shut down"
    CANCEL = "have its shutdown cancelled"
    ENDED = "end"


_ = State
SERVER = Machine(
    "management server",
    start=State.UP,
    table=[
        (_.UP,             Event.PREPARE,  _.PREPARING),
        (_.PREPARING,      Event.DRAINED,  _.READY),
        (_.UP,             Event.TRIGGER,  _.SHUTTING_DOWN),
        (_.PREPARING,      Event.TRIGGER,  _.SHUTTING_DOWN),
        (_.READY,          Event.TRIGGER,  _.SHUTTING_DOWN),
        (_.PREPARING,      Event.CANCEL,   _.UP),
        (_.READY,          Event.CANCEL,   _.UP),
        (_.UP,             Event.ENDED,    _.DOWN),
        (_.PREPARING,      Event.ENDED,    _.DOWN),
        (_.READY,          Event.ENDED,    _.DOWN),
        (_.SHUTTING_DOWN,  Event.ENDED,    _.DOWN),
        (_.UP,             Event.START,    _.UP),
        (_.PREPARING,      Event.START,    _.UP),
        (_.READY,          Event.START,    _.UP),
        (_.SHUTTING_DOWN,  Event.START,    _.UP),
        (_.DOWN,           Event.START,    _.UP),
    ],
)  # fmt: skip

LEAVING = (State.PREPARING, State.READY, State.SHUTTING_DOWN)
