"""Make a network's router run what it should: place it, apply the whole desired state, note the version.

Not a saga of its own but the step that others share.  Many VMs are deployed into one network at
the same time; each apply carries all changes up to its version, so most of them find their own
change applied already.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import Db, fire, live
from tegar.kernel.errors import TegarError
from tegar.kernel.gate import outside
from tegar.kernel.lease import changed
from tegar.kernel.saga import Run
from tegar.kernel.wire import Fence
from tegar.model.errors import NoCapacity, OutOfAddresses
from tegar.model.host import LEAVING, Resource
from tegar.model.host import State as HostState
from tegar.model.network import Event, State
from tegar.model.router import RouterSpec
from tegar.saga.env import Env
from tegar.saga.spec import router_spec
from tegar.store import hosts, networks
from tegar.store.hosts import Host
from tegar.store.networks import Desired, Network, Nic, Router

P = TypeVar("P")

_one_apply: dict[int, threading.Lock] = defaultdict(threading.Lock)  # only saves work; versions keep order


def mac_of(nic_id: int) -> str:
    """Return the MAC of a NIC: locally administered, the NIC's number in the last four bytes."""
    raw = (0x1E00 << 32 | nic_id & 0xFFFFFFFF).to_bytes(6, "big")
    return ":".join(f"{b:02x}" for b in raw)


def obey(env: Env, network_id: int, fence: Fence | None = None) -> None:
    """Bring the network's router to the state desired now.

    Raises:
        NoCapacity: no host of the zone is up to carry a router.
        OutOfAddresses: the network has no address for its router.
        Unreachable: the router's host does not answer.
    """
    wanted = env.db.read(lambda s: _desired(s, network_id))
    if wanted is None:
        return
    with _turn(_one_apply[network_id]):
        applied = env.db.read(lambda s: _runs(s, network_id))
        if applied is None:
            env.db.tx(lambda s: _place(s, network_id))
        elif applied >= wanted:
            return
        spec, host = env.db.read(lambda s: _plan(s, network_id))
        version = ROUTERS["VirtualRouter"].apply(spec, env.links.to(host.url, fence))
        env.db.tx(lambda s: _applied(s, network_id, host.id, version))


@contextmanager
def _turn(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock that is kept while a host is asked; its waiters do not count as computing."""
    with outside():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def obey_in(run: Run[Env, P], network_ids: list[int]) -> None:
    """Do so for several networks, speaking for a saga."""
    for network_id in network_ids:
        obey(run.env, network_id, run.fence)


def obey_later(run: Run[Env, P], network_ids: list[int]) -> None:
    """Do so if the host answers; if not, the loop that repairs routers will."""
    for network_id in network_ids:
        try:
            obey(run.env, network_id, run.fence)
        except TegarError as e:
            if not e.retry:
                raise


def _desired(s: Session, network_id: int) -> int | None:
    """Return the version that is wanted, None for a network that is going away: its router stays gone."""
    stmt = select(Desired.version).join(Network, Network.id == Desired.network_id)
    here = (Network.state.in_([State.SETUP, State.IMPLEMENTED]), live(Network))
    return s.scalar(stmt.where(Desired.network_id == network_id, *here))


def _runs(s: Session, network_id: int) -> int | None:
    """Return the version that the router runs, None when it has no place on a host that is up, or should leave it."""
    stmt = (
        select(Router.applied, Host)
        .join(Host, Host.id == Router.host_id)
        .join(Network, Network.id == Router.network_id)
        .where(Router.network_id == network_id, live(Host), Host.state == HostState.UP)
        .where(Network.state == State.IMPLEMENTED)
    )
    found = s.execute(stmt).one_or_none()
    return None if found is None or _leaves(s, found[1]) else found[0]


def others(s: Session, host: Host) -> list[Host]:
    """Return the other hosts of its zone that may carry routers."""
    return [
        h
        for h in hosts.in_zone(s, host.zone_id)
        if h.id != host.id and h.state == HostState.UP and h.resource_state == Resource.ENABLED
    ]


def _leaves(s: Session, host: Host) -> bool:
    """Return whether routers leave a host: it is in maintenance, and there is another."""
    return host.resource_state in LEAVING and bool(others(s, host))


def _place(s: Session, network_id: int) -> None:
    """Make the router's row, and give it a host that is up; a router moves when its host is not, or is in maintenance."""
    network = s.get_one(Network, network_id)
    router = s.scalars(select(Router).where(Router.network_id == network_id)).one_or_none()
    if router is None:
        router = _make(s, network)
    host = s.get(Host, router.host_id) if router.host_id else None
    if host is None or host.removed_s or host.state != HostState.UP or _leaves(s, host):
        router.host_id, router.applied = _choose(s, network), 0
        s.flush()
    if network.state == State.SETUP:
        fire(s, network, Event.IMPLEMENTED)


def _make(s: Session, network: Network) -> Router:
    nic = Nic(vm_id=None, network_id=network.id, mac="", ip="", is_default=False)
    s.add(nic)
    s.flush()
    ip = networks.take_address(s, network.id, nic.id)
    if ip is None:
        raise OutOfAddresses(network.name)
    nic.ip, nic.mac = ip, mac_of(nic.id)
    router = Router(network_id=network.id, nic_id=nic.id)
    s.add(router)
    networks.want_again(s, network.id)
    return router


def _choose(s: Session, network: Network) -> int:
    up = [h for h in hosts.in_zone(s, network.zone_id) if h.state == HostState.UP]
    fit = [h for h in up if h.resource_state == Resource.ENABLED] or up
    if not fit:
        raise NoCapacity("host", 0, {"every host": "is not up; the network's router needs one"})
    counts: dict[int, int] = defaultdict(int)
    for host_id in s.scalars(select(Router.host_id).where(Router.host_id.in_([h.id for h in fit]))):
        counts[host_id or 0] += 1
    return min(fit, key=lambda h: (counts[h.id], h.id)).id


def _plan(s: Session, network_id: int) -> tuple[RouterSpec, Host]:
    network = s.get_one(Network, network_id)
    router = s.scalars(select(Router).where(Router.network_id == network_id)).one()
    return router_spec(s, network, router), s.get_one(Host, router.host_id)


def _applied(s: Session, network_id: int, host_id: int | None, version: int) -> None:
    """Note the version unless the router has been moved since."""
    newer = update(Router).where(
        Router.network_id == network_id, Router.host_id == host_id, Router.applied < version
    )
    changed(s, newer.values(applied=version, version=Router.version + 1))


def networks_of(db: Db, vm_id: int) -> list[int]:
    """Return the networks of a VM's NICs."""
    return db.read(lambda s: [nic.network_id for nic in networks.nics_of(s, vm_id)])
