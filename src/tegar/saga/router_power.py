"""Start, stop, reboot and destroy one router, as operators ask."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import State as HostState
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_obey import obey
from tegar.store import routers
from tegar.store.hosts import Host
from tegar.store.routers import Router, RouterGroup


@dataclass(frozen=True)
class OneRouter:
    """Which router; ``forced``: also when its host does not answer; ``destroy``: it has no host afterwards."""

    router_id: int
    group_id: int
    forced: bool = False
    destroy: bool = False


Power = Run[Env, OneRouter]


def accepted(run: Power) -> None:
    """Begin: the request wrote down whether it should run."""


def run_on(run: Power) -> None:
    """It should run as before."""
    _again(run, stopped=False)
    obey_later(run, [run.params.group_id])


def stay_stopped(run: Power) -> None:
    """It is stopped as before."""
    _again(run, stopped=True)


def take(run: Power) -> None:
    """Take it off its host."""
    uuid, url = run.env.db.read(lambda s: _place(s, run.params.router_id))
    try:
        if url:
            ROUTERS["VirtualRouter"].remove(uuid, run.env.links.to(url, run.fence))
    except (Fenced, NotYet):
        raise
    except TegarError:
        if not run.params.forced:
            raise


def put_back(run: Power) -> None:
    """The undo of the step before lets it run."""


def taken(run: Power) -> None:
    """It runs nothing now; one that is destroyed has no host either."""

    def work(s: Session) -> None:
        router = s.get_one(Router, run.params.router_id)
        router.applied = 0
        if run.params.destroy:
            router.host_id = None

    run.env.db.tx(work)


def bring(run: Power) -> None:
    """Let it run, on a host that is up."""
    obey(run.env, run.params.group_id, run.fence)


def take_again(run: Power) -> None:
    """Take it off, should it run."""
    take(run)


def hand_over(run: Power) -> None:
    """Let the other one of a pair be primary first, so that nobody notices."""

    def work(s: Session) -> None:
        group, router = s.get_one(RouterGroup, run.params.group_id), s.get_one(Router, run.params.router_id)
        if group.redundant and group.swapped != (router.position == 0):
            group.swapped = router.position == 0
            routers.want_again(s, group.id)

    run.env.db.tx(work)
    obey_later(run, [run.params.group_id])


def keep_roles(run: Power) -> None:
    """Either may be primary."""


def reboot(run: Power) -> None:
    """Take it away and build it from nothing."""
    take(run)
    _again(run, stopped=False)
    obey(run.env, run.params.group_id, run.fence)


def _again(run: Power, *, stopped: bool) -> None:
    def work(s: Session) -> None:
        mine = update(Router).where(Router.id == run.params.router_id)
        s.execute(mine.values(applied=0, stopped=stopped, version=Router.version + 1))
        routers.want_again(s, run.params.group_id)

    run.env.db.tx(work)


def _place(s: Session, router_id: int) -> tuple[str, str]:
    """Return a router's name and its host's address, empty when there is no host to ask."""
    router = s.get_one(Router, router_id)
    host = s.get(Host, router.host_id) if router.host_id else None
    there = host is not None and not host.removed_s and host.state != HostState.DOWN
    return router.uuid, host.url if host and there else ""


STOP_ROUTER = Saga[Env, OneRouter](
    "router.stop", OneRouter, Step(accepted, undo=run_on), Step(take, undo=put_back), Step(taken)
)
START_ROUTER = Saga[Env, OneRouter](
    "router.start", OneRouter, Step(accepted, undo=stay_stopped), Step(bring, undo=take_again)
)
REBOOT_ROUTER = Saga[Env, OneRouter](
    "router.reboot",
    OneRouter,
    Step(accepted, undo=run_on),
    Step(hand_over, undo=keep_roles),
    Step(reboot, undo=put_back),
)
