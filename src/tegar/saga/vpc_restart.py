"""Build a VPC's routers from nothing, and give it a pair when that is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import live
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.host import State as HostState
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_obey import obey
from tegar.store import networks, routers
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.routers import Router, RouterGroup
from tegar.store.vpcs import Vpc


@dataclass(frozen=True)
class RestartVpc:
    """Which VPC; ``make_redundant``: it has one router and gets a pair."""

    vpc_id: int
    make_redundant: bool = False


Restart = Run[Env, RestartVpc]


def accepted(run: Restart) -> None:
    """Begin: the request counted a change, so routers that are taken away are built again."""


def build_again(run: Restart) -> None:
    """As they were, the routers run again; if a host does not answer, the loop that repairs routers sees to it."""
    obey_later(run, [_group(run)])


def make_pair(run: Restart) -> None:
    """Make room for a second router: the first has an address of its own in each tier beside the gateway's."""
    if not run.params.make_redundant:
        return

    def work(s: Session) -> None:
        group = s.get_one(RouterGroup, s.get_one(Vpc, run.params.vpc_id).group_id)
        group.redundant = True
        for network, nic in _nics(s, group.id, 0):
            if nic.ip == network.gateway:
                networks.readdress(s, network, nic, "")
        routers.want_again(s, group.id)

    run.env.db.tx(work)


def one_again(run: Restart) -> None:
    """The second router goes, and the first has the gateways' addresses."""
    if not run.params.make_redundant:
        return
    _take_away(run, position=1)

    def work(s: Session) -> None:
        group = s.get_one(RouterGroup, s.get_one(Vpc, run.params.vpc_id).group_id)
        group.redundant = False
        second = select(Router).where(Router.group_id == group.id, Router.position == 1)
        for router in s.scalars(second).all():
            for nic in s.scalars(select(Nic).where(Nic.router_id == router.id)).all():
                networks.free_address(s, nic.id)
                s.delete(nic)
            s.delete(router)
        for network, nic in _nics(s, group.id, 0):
            if nic.ip != network.gateway:
                networks.readdress(s, network, nic, network.gateway)
        routers.want_again(s, group.id)

    run.env.db.tx(work)


def take_away(run: Restart) -> None:
    """Take the routers off their hosts, so that nothing of them is left."""
    _take_away(run)


def later(run: Restart) -> None:
    """They are built again by the undo of the first step."""


def build(run: Restart) -> None:
    """Build them."""
    obey(run.env, _group(run), run.fence)


def unbuild(run: Restart) -> None:
    """What is there is changed by the undos of the steps before."""


def _group(run: Restart) -> int:
    return run.env.db.read(lambda s: s.get_one(Vpc, run.params.vpc_id).group_id)


def _nics(s: Session, group_id: int, position: int) -> list[tuple[Network, Nic]]:
    stmt = (
        select(Network, Nic)
        .join(Nic, Nic.network_id == Network.id)
        .join(Router, Router.id == Nic.router_id)
        .where(Router.group_id == group_id, Router.position == position, live(Network), live(Nic))
    )
    return [(network, nic) for network, nic in s.execute(stmt.order_by(Nic.id))]


def _take_away(run: Restart, position: int | None = None) -> None:
    """Take routers off their hosts; those that do not answer are rebuilt without."""

    def read(s: Session) -> list[tuple[int, str, str]]:
        found = routers.of_group(s, s.get_one(Vpc, run.params.vpc_id).group_id)
        return [
            (router.id, router.uuid, host.url)
            for router in found
            if position in (None, router.position)
            for host in (s.get(Host, router.host_id) if router.host_id else None,)
            if host is not None and host.state == HostState.UP and not host.removed_s
        ]

    def forget(s: Session, router_id: int) -> None:
        s.get_one(Router, router_id).applied = 0

    for router_id, uuid, url in run.env.db.read(read):
        try:
            ROUTERS["VirtualRouter"].remove(uuid, run.env.links.to(url, run.fence))
        except (Fenced, NotYet):
            raise
        except TegarError as e:
            if not e.retry:
                raise
        run.env.db.tx(lambda s, r=router_id: forget(s, r))  # type: ignore[misc]


RESTART_VPC = Saga[Env, RestartVpc](
    "vpc.restart",
    RestartVpc,
    Step(accepted, undo=build_again),
    Step(make_pair, undo=one_again),
    Step(take_away, undo=later),
    Step(build, undo=unbuild),
)
