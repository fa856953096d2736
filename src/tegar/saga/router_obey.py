"""Make the routers of a group run what they should: place them, apply the whole desired state, note the version.

Many VMs are deployed into one network at the same time; each apply carries all changes up to its
version, so most of them find their own change applied already.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.kernel.gate import outside
from tegar.kernel.lease import changed
from tegar.kernel.secret import Vault
from tegar.kernel.wire import Fence
from tegar.model.errors import NoCapacity, OutOfAddresses
from tegar.model.host import LEAVING, Resource
from tegar.model.host import State as HostState
from tegar.model.network import State
from tegar.model.router import RouterSpec
from tegar.saga.env import Env
from tegar.saga.router_spec import router_spec
from tegar.store import hosts, leases, networks, routers
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.routers import Router, RouterGroup

_one_apply: dict[int, threading.Lock] = defaultdict(threading.Lock)  # only saves work; versions keep order


def obey(env: Env, group_id: int, fence: Fence | None = None) -> None:
    """Bring all routers of a group to the state desired now; nothing to do when no network of it is implemented.

    Raises:
        NoCapacity: no host of the zone is up to carry a router.
        OutOfAddresses: a network has no address for its router.
        Unreachable: a router's host does not answer; the others have obeyed.
    """
    wanted = env.db.read(lambda s: _wanted(s, group_id))
    if wanted is None:
        return
    with _turn(_one_apply[group_id]):
        applied = env.db.read(lambda s: _runs(s, group_id))
        if applied is None:
            env.db.tx(lambda s: _place(s, group_id))
        elif applied >= wanted:
            return
        _apply(env, group_id, fence)


def _apply(env: Env, group_id: int, fence: Fence | None) -> None:
    """Apply to every router that is behind, whatever the others say; the first complaint is told at the end."""
    complaint: TegarError | None = None
    for spec, router, host in env.db.read(lambda s: _plans(s, group_id, env.vault)):
        try:
            version = ROUTERS["VirtualRouter"].apply(spec, env.links.to(host.url, fence))
        except TegarError as e:
            complaint = complaint or e
            continue
        env.db.tx(lambda s, r=router.id, h=host.id, v=version: _applied(s, r, h, v))  # type: ignore[misc]
    if complaint is not None:
        raise complaint


@contextmanager
def _turn(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock that is kept while a host is asked; its waiters do not count as computing."""
    with outside():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _served(s: Session, group_id: int) -> Sequence[Network]:
    """Return the networks that the group serves now; those that are going away are not."""
    here = (Network.group_id == group_id, Network.state == State.IMPLEMENTED, live(Network))
    return s.scalars(select(Network).where(*here).order_by(Network.id)).all()


def _wanted(s: Session, group_id: int) -> int | None:
    """Return the version that is wanted, None for a group whose routers should not be."""
    return s.get_one(RouterGroup, group_id).desired if _served(s, group_id) else None


def _runs(s: Session, group_id: int) -> int | None:
    """Return the version that all routers run, None when one has to be placed first."""
    group, found = s.get_one(RouterGroup, group_id), routers.of_group(s, group_id)
    if len(found) < (2 if group.redundant else 1) or _lacks_nic(s, group_id, found):
        return None
    if any(_homeless(s, router) for router in found if not router.stopped):
        return None
    return min((r.applied for r in found if r.host_id is not None and not r.stopped), default=0)


def _lacks_nic(s: Session, group_id: int, found: Sequence[Router]) -> bool:
    stmt = select(Nic.router_id, Nic.network_id).where(Nic.router_id.in_([r.id for r in found]), live(Nic))
    have, served = (
        {(router_id, network_id) for router_id, network_id in s.execute(stmt)},
        _served(s, group_id),
    )
    return any((r.id, n.id) not in have for r in found for n in served)


def _homeless(s: Session, router: Router) -> bool:
    """Return whether a router needs a place: it has none, or its host is lost, or in maintenance."""
    host = s.get(Host, router.host_id) if router.host_id else None
    return host is None or is_lost(s, host) or (host.state == HostState.UP and _leaves(s, host))


def is_lost(s: Session, host: Host) -> bool:
    """Return whether nothing runs on a host any more.

    A host that has a lease and only does not answer is not lost: its router may serve on, and there must not be two.
    """
    if host.removed_s or host.state in (HostState.DOWN, HostState.UP):
        return bool(host.removed_s) or host.state == HostState.DOWN
    lease = leases.leases_of(s, [host.id]).get(host.id)
    return lease is None or lease.state == "dead"


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


def _place(s: Session, group_id: int) -> None:
    """Make the rows of the routers and their NICs, and give each a host that is up, those of a pair apart.

    The second of a pair waits when there is no other host: one router is better than none.
    """
    group, served = s.get_one(RouterGroup, group_id), _served(s, group_id)
    for position in range(2 if group.redundant else 1):
        found = s.scalars(select(Router).where(Router.group_id == group_id, Router.position == position))
        router = found.one_or_none()
        if router is None:
            router = Router(group_id=group_id, position=position)
            s.add(router)
            s.flush()
        for network in served:
            _plug(s, group, network, router)
        if _homeless(s, router) and not router.stopped:
            router.host_id, router.applied = _choose(s, served[0].zone_id, router), 0
            s.flush()


def _plug(s: Session, group: RouterGroup, network: Network, router: Router) -> None:
    """Give a router its NIC in a network: alone with source NAT it is the gateway, else it has an address of its own."""
    has = select(Nic.id).where(Nic.router_id == router.id, Nic.network_id == network.id, live(Nic))
    if s.scalars(has).first():
        return
    nic = Nic(vm_id=None, router_id=router.id, network_id=network.id, mac="", ip="", is_default=False)
    s.add(nic)
    s.flush()
    own = network.guest_type == "Isolated" and not group.redundant
    ip = networks.take_address(s, network.id, nic.id, network.gateway if own else "")
    if ip is None:
        raise OutOfAddresses(network.name)
    nic.ip, nic.mac = ip, networks.mac_of(nic.id)
    routers.want_again(s, group.id)


def _choose(s: Session, zone_id: int, router: Router) -> int | None:
    """Return the host with the fewest routers, other than that of the router's peer."""
    peers = {r.host_id for r in routers.of_group(s, router.group_id) if r.id != router.id and r.host_id}
    up = [h for h in hosts.in_zone(s, zone_id) if h.state == HostState.UP]
    fit = [h for h in up if h.resource_state == Resource.ENABLED] or up
    if not fit:
        raise NoCapacity("host", 0, {"every host": "is not up; the network's router needs one"})
    apart = [h for h in fit if h.id not in peers]
    if not apart:
        return None
    counts: dict[int, int] = defaultdict(int)
    for host_id in s.scalars(select(Router.host_id).where(Router.host_id.in_([h.id for h in apart]))):
        counts[host_id or 0] += 1
    return min(apart, key=lambda h: (counts[h.id], h.id)).id


def _plans(s: Session, group_id: int, vault: Vault | None) -> list[tuple[RouterSpec, Router, Host]]:
    group = s.get_one(RouterGroup, group_id)
    return [
        (router_spec(s, group, router, vault), router, s.get_one(Host, router.host_id))
        for router in routers.of_group(s, group_id)
        if router.host_id is not None and not router.stopped and router.applied < group.desired
    ]


def _applied(s: Session, router_id: int, host_id: int, version: int) -> None:
    """Note the version unless the router has been moved since."""
    newer = update(Router).where(Router.id == router_id, Router.host_id == host_id, Router.applied < version)
    changed(s, newer.values(applied=version, version=Router.version + 1))
