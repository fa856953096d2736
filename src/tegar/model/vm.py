"""Virtual machines: states, events and the one table of arrows."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a VM is; the values are the API's."""

    STOPPED = "Stopped"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    MIGRATING = "Migrating"
    DESTROYED = "Destroyed"
    EXPUNGING = "Expunging"
    EXPUNGED = "Expunged"
    ERROR = "Error"


class Event(StrEnum):
    """What happens to a VM."""

    START = "be started"
    STARTED = "have started"
    START_FAILED = "fail to start"
    DEPLOY_FAILED = "fail to be deployed"
    STOP = "be stopped"
    STOPPED = "have stopped"
    STOP_FAILED = "fail to stop"
    REBOOTED = "have rebooted"
    DIED = "be found stopped"
    LOST = "be restarted elsewhere"
    WITHDRAW = "be given up while it waits for its restart"
    MIGRATE = "be migrated"
    MIGRATED = "have moved"
    DESTROY = "be destroyed"
    RECOVER = "be recovered"
    EXPUNGE = "be expunged"
    EXPUNGED = "be gone"


class GuestAction(StrEnum):
    """What is done when a guest hangs; the values are those of the detail ``ha.guest.action``."""

    NONE = "none"
    RESET = "reset"
    RESTART = "restart"


_ = State
VM = Machine(
    "VM",
    start=State.STOPPED,
    table=[
        # from            on                     to
        (_.STOPPED,       Event.START,           _.STARTING),
        (_.STARTING,      Event.STARTED,         _.RUNNING),
        (_.STARTING,      Event.START_FAILED,    _.STOPPED),
        (_.STARTING,      Event.DEPLOY_FAILED,   _.ERROR),
        (_.RUNNING,       Event.STOP,            _.STOPPING),
        (_.STOPPING,      Event.STOPPED,         _.STOPPED),
        (_.STOPPING,      Event.STOP_FAILED,     _.RUNNING),
        (_.STOPPING,      Event.REBOOTED,        _.RUNNING),
        (_.RUNNING,       Event.DIED,            _.STOPPED),
        (_.RUNNING,       Event.LOST,            _.STARTING),
        (_.MIGRATING,     Event.LOST,            _.STARTING),
        (_.MIGRATING,     Event.DIED,            _.STOPPED),
        (_.STOPPING,      Event.LOST,            _.STARTING),
        (_.STARTING,      Event.WITHDRAW,        _.STOPPING),
        (_.RUNNING,       Event.MIGRATE,         _.MIGRATING),
        (_.MIGRATING,     Event.MIGRATED,        _.RUNNING),
        (_.STOPPED,       Event.DESTROY,         _.DESTROYED),
        (_.ERROR,         Event.DESTROY,         _.DESTROYED),
        (_.DESTROYED,     Event.RECOVER,         _.STOPPED),
        (_.DESTROYED,     Event.EXPUNGE,         _.EXPUNGING),
        (_.EXPUNGING,     Event.EXPUNGED,        _.EXPUNGED),
    ],
)  # fmt: skip

HOLDS_HOST = (State.STARTING, State.RUNNING, State.STOPPING, State.MIGRATING)
