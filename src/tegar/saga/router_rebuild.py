"""Rebuild the routers of a host that is lost, elsewhere, as soon as that is proven."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.saga.env import Env
from tegar.saga.router_obey import obey
from tegar.store import routers


@dataclass(frozen=True)
class RebuildRouters:
    """Which group of routers."""

    group_id: int


Rebuild = Run[Env, RebuildRouters]


def rebuild(run: Rebuild) -> None:
    """Bring the group's routers to what is desired: those without a home get one."""
    obey(run.env, run.params.group_id, run.fence)


def leave_to_the_loop(run: Rebuild) -> None:
    """The loop that repairs routers tries again."""


REBUILD_ROUTERS = Saga[Env, RebuildRouters](
    "router.rebuild", RebuildRouters, Step(rebuild, undo=leave_to_the_loop)
)


def rebuild_routers_of(s: Session, host_id: int) -> int:
    """Let all routers of a host be rebuilt elsewhere; return how many groups are concerned."""
    group_ids = routers.groups_on(s, host_id)
    for group_id in group_ids:
        REBUILD_ROUTERS.submit(s, RebuildRouters(group_id))
    return len(group_ids)
