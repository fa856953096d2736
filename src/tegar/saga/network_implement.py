"""Make networks real: a segment from the physical network's ranges, and routers that run what they should.

Not a saga of its own but the step that others share.
"""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import Db, fire, live
from tegar.kernel.errors import NotYet, TegarError
from tegar.kernel.saga import Run
from tegar.kernel.wire import Fence
from tegar.model.errors import NoSegment
from tegar.model.network import Event, State
from tegar.saga import way_out
from tegar.saga.env import Env
from tegar.saga.router_obey import obey
from tegar.store import networks, routers, segments
from tegar.store.networks import Network
from tegar.store.routers import Router
from tegar.store.zones import PhysicalNetwork

P = TypeVar("P")


def implement(env: Env, network_ids: list[int], fence: Fence | None = None) -> None:
    """Give networks their segments, and let their routers do what is desired now.

    Raises:
        NotYet: a network is being shut down; it can be implemented in a moment.
        NoPublicAddress: a network goes out by an address of its own, and the zone has none left.
        NoSegment: all ids of the physical network's ranges are taken.
        NoCapacity: no host of the zone is up to carry a router.
        OutOfAddresses: a network has no address for its router.
        Unreachable: a router's host does not answer.
    """
    for group_id in env.db.tx(lambda s: _segments(s, network_ids, env.clock.now_s())):
        obey(env, group_id, fence)


def _segments(s: Session, network_ids: list[int], now_s: float) -> list[int]:
    """Give every network its segment and its way out; return the groups of routers that serve them."""
    found = s.scalars(select(Network).where(Network.id.in_(network_ids)).order_by(Network.id)).all()
    for network in found:
        if network.state == State.SHUTDOWN:
            raise NotYet(f"Network {network.name}'s way down, after which it comes up again,")
        if network.idle_since_s is not None:
            network.idle_since_s = None  # who is about to shut it down finds the row changed
        if network.state not in (State.ALLOCATED, State.SETUP):
            continue
        if not network.vlan:
            _take_segment(s, network)
        way_out.give(s, network, now_s)
        fire(s, network, Event.IMPLEMENTED)
        routers.want_again(s, network.group_id)
    group_ids = list(dict.fromkeys(n.group_id for n in found if n.group_id is not None))
    _start_routers(s, group_ids)
    return group_ids


def _start_routers(s: Session, group_ids: list[int]) -> None:
    """Let routers run again that an operator stopped or destroyed: a VM that starts needs them."""
    stmt = select(Router).where(Router.group_id.in_(group_ids), Router.stopped.is_(True), live(Router))
    for router in s.scalars(stmt):
        router.stopped, router.applied = False, 0


def _take_segment(s: Session, network: Network) -> None:
    physical = s.get_one(PhysicalNetwork, network.physical_network_id)
    tag = segments.take(s, physical.id, physical.vlan or "", network)
    if tag is None:
        raise NoSegment(physical.name, physical.vlan or "no range")
    network.vlan, network.broadcast = str(tag), "Vxlan" if physical.isolation == "VXLAN" else "Vlan"


def implement_in(run: Run[Env, P], network_ids: list[int]) -> None:
    """Do so, speaking for a saga."""
    implement(run.env, network_ids, run.fence)


def obey_later(run: Run[Env, P], group_ids: list[int]) -> None:
    """Let groups of routers do what is desired if their hosts answer; if not, the loop that repairs routers will."""
    for group_id in group_ids:
        try:
            obey(run.env, group_id, run.fence)
        except TegarError as e:
            if not e.retry:
                raise


def networks_of(db: Db, vm_id: int) -> list[int]:
    """Return the networks of a VM's NICs."""
    return db.read(lambda s: [nic.network_id for nic in networks.nics_of(s, vm_id)])


def groups_of(db: Db, vm_id: int) -> list[int]:
    """Return the groups of routers that serve a VM's NICs."""
    return db.read(lambda s: networks.groups_of(s, [nic.network_id for nic in networks.nics_of(s, vm_id)]))
