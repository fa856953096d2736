"""Implement a network before any VM wants it: one whose offering is persistent, or that is restarted."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.saga import Run, Saga, Step
from tegar.saga.env import Env
from tegar.saga.network_implement import implement_in


@dataclass(frozen=True)
class BringUp:
    """Which network."""

    network_id: int


Up = Run[Env, BringUp]


def bring_up(run: Up) -> None:
    """Give it its segment and let its routers run."""
    implement_in(run, [run.params.network_id])


def stay_up(run: Up) -> None:
    """What there is of it is of use to its first VM, and to the loop that repairs routers."""


BRING_UP_NETWORK = Saga[Env, BringUp]("network.implement", BringUp, Step(bring_up, undo=stay_up))
