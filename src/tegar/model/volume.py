"""Volumes: states, events and the one table of arrows."""

from __future__ import annotations

from enum import StrEnum

from tegar.kernel.machine import Machine


class State(StrEnum):
    """Where a volume is; the values are the API's."""

    ALLOCATED = "Allocated"
    CREATING = "Creating"
    READY = "Ready"
    ATTACHING = "Attaching"
    DETACHING = "Detaching"
    DESTROY = "Destroy"
    EXPUNGING = "Expunging"
    EXPUNGED = "Expunged"


class Event(StrEnum):
    """What happens to a volume."""

    CREATE = "be created"
    CREATED = "have been created"
    CREATE_FAILED = "fail to be created"
    UNMADE = "be unmade"
    ATTACH = "be attached"
    ATTACHED = "have been attached"
    DETACH = "be detached"
    DETACHED = "have been detached"
    DETACH_FAILED = "fail to be detached"
    DESTROY = "be destroyed"
    RECOVER = "be recovered"
    EXPUNGE = "be expunged"
    EXPUNGED = "be gone"


class Kind(StrEnum):
    """What a volume is for."""

    ROOT = "ROOT"
    DATADISK = "DATADISK"


_ = State
VOLUME = Machine(
    "volume",
    start=State.ALLOCATED,
    table=[
        # from            on                     to
        (_.ALLOCATED,     Event.CREATE,          _.CREATING),
        (_.CREATING,      Event.CREATED,         _.READY),
        (_.CREATING,      Event.CREATE_FAILED,   _.ALLOCATED),
        (_.READY,         Event.UNMADE,          _.ALLOCATED),
        (_.ALLOCATED,     Event.ATTACH,          _.ATTACHING),
        (_.READY,         Event.ATTACH,          _.ATTACHING),
        (_.ATTACHING,     Event.ATTACHED,        _.READY),
        (_.ATTACHING,     Event.CREATE_FAILED,   _.ALLOCATED),
        (_.READY,         Event.DETACH,          _.DETACHING),
        (_.DETACHING,     Event.DETACHED,        _.READY),
        (_.DETACHING,     Event.DETACH_FAILED,   _.READY),
        (_.ALLOCATED,     Event.DESTROY,         _.DESTROY),
        (_.READY,         Event.DESTROY,         _.DESTROY),
        (_.DESTROY,       Event.RECOVER,         _.READY),
        (_.DESTROY,       Event.EXPUNGE,         _.EXPUNGING),
        (_.EXPUNGING,     Event.EXPUNGED,        _.EXPUNGED),
    ],
)  # fmt: skip
