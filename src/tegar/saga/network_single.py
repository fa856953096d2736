"""Make one router of a network's pair: the primary stays, and has the gateway's address for itself.

The one that leaves is off its host before the other stops to say that it is there; or it would lead as soon as it
hears nothing, and there would be two with the same addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import live
from tegar.kernel.errors import NotYet
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import State as HostState
from tegar.model.router import Role
from tegar.saga.env import Env
from tegar.saga.router_obey import is_lost, obey
from tegar.store import networks, routers
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import Router, RouterGroup


@dataclass(frozen=True)
class MakeSingle:
    """Which network."""

    network_id: int
    group_id: int


Single = Run[Env, MakeSingle]


@dataclass(frozen=True)
class Leaving:
    """The router that leaves; without a url there is no host to ask, and without an id no second router."""

    router_id: int = 0
    uuid: str = ""
    url: str = ""


def part(run: Single) -> None:
    """Take one router off its host, after which there is one.

    Raises:
        Unreachable: its host does not answer, and is not known to be dead.
        NotYet: somebody started it again meanwhile.
    """
    leaving = run.env.db.tx(lambda s: _choose(s, run.params))
    if leaving is None:
        return
    if leaving.url:
        ROUTERS["VirtualRouter"].remove(leaving.uuid, run.env.links.to(leaving.url, run.fence))
    if not run.env.db.tx(lambda s: _be_one(s, run.params.group_id, leaving, run.env.clock.now_s())):
        raise NotYet(f"The work on router {leaving.uuid}")


def bring(run: Single) -> None:
    """Let the one that stays do it all."""
    obey(run.env, run.params.group_id, run.fence)


def _choose(s: Session, params: MakeSingle) -> Leaving | None:
    """Stop the router that leaves; None when there is one already, or a pair is wanted again."""
    group, network = s.get_one(RouterGroup, params.group_id), s.get_one(Network, params.network_id)
    if not group.redundant or s.get_one(NetworkOffering, network.offering_id).redundant:
        return None
    found = _best_first(s, routers.of_group(s, group.id))
    if len(found) < 2:
        return Leaving()
    router = found[-1]
    router.stopped = True
    host = s.get(Host, router.host_id) if router.host_id else None
    return Leaving(router.id, router.uuid, host.url if host and not is_lost(s, host) else "")


def _best_first(s: Session, found: Sequence[Router]) -> list[Router]:
    """Return routers, first the one that serves best: it runs, and is primary."""

    def rank(router: Router) -> tuple[bool, bool, int]:
        host = s.get(Host, router.host_id) if router.host_id else None
        runs = host is not None and host.state == HostState.UP and not router.stopped
        return not runs, router.role != Role.PRIMARY, router.position

    return sorted(found, key=rank)


def _be_one(s: Session, group_id: int, leaving: Leaving, now_s: float) -> bool:
    """Write down that there is one; return False when the other was started meanwhile."""
    group = s.get_one(RouterGroup, group_id)
    if not group.redundant:
        return True
    for router in routers.of_group(s, group_id):
        if router.id == leaving.router_id:
            if not router.stopped:
                return False
            _forget(s, router, now_s)
    group.redundant = group.swapped = False
    for router in routers.of_group(s, group_id):
        router.position = 0
        s.flush()
        for network, nic in _nics(s, router):
            if network.guest_type == "Isolated" and nic.ip != network.gateway:
                networks.readdress(s, network, nic, network.gateway)
    routers.want_again(s, group_id)
    return True


def _forget(s: Session, router: Router, now_s: float) -> None:
    for _, nic in _nics(s, router):
        networks.free_address(s, nic.id)
        nic.removed_s = now_s
    router.host_id, router.applied, router.removed_s = None, 0, now_s
    router.position = -router.id  # its place is free for another
    s.flush()


def _nics(s: Session, router: Router) -> list[tuple[Network, Nic]]:
    stmt = select(Network, Nic).join(Nic, Nic.network_id == Network.id)
    return [(network, nic) for network, nic in s.execute(stmt.where(Nic.router_id == router.id, live(Nic)))]


MAKE_SINGLE = Saga[Env, MakeSingle](
    "network.single", MakeSingle, Step(part, patience_s=60), Step(bring, patience_s=60), forward_only=True
)
