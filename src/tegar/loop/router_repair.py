"""Bring routers to what is desired: behind by a version, lost with their host's boot, or on a host that is gone."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel import log
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.host import State as HostState
from tegar.model.network import State
from tegar.saga.env import Env
from tegar.saga.router_obey import obey
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router, RouterGroup
from tegar.wire.router import ListRouters


def round(env: Env) -> None:
    """Find drift on hosts, then repair all routers that are behind."""
    _find_drift(env)
    behind = env.db.read(_behind)
    for group_id in behind:
        try:
            obey(env, group_id)
        except TegarError as e:
            log.get("loop").warning("router not repaired", group_id=group_id, error=str(e))


def _behind(s: Session) -> list[int]:
    stmt = (
        select(RouterGroup.id)
        .join(Router, Router.group_id == RouterGroup.id)
        .outerjoin(Host, Host.id == Router.host_id)
        .where(
            RouterGroup.id.in_(
                select(Network.group_id).where(Network.state == State.IMPLEMENTED, live(Network))
            )
        )
        .where(live(Router), Router.stopped.is_(False))
        .where(
            or_(Router.applied < RouterGroup.desired, Router.host_id.is_(None), Host.state != HostState.UP)
        )
    )
    return list(dict.fromkeys(s.scalars(stmt)))


def _find_drift(env: Env) -> None:
    """Ask hosts what they run: what is missing counts as never applied, what moved away is removed."""
    hosts, expected = env.db.read(_expected)
    for host in hosts:
        link = env.links.to(host.url)
        try:
            there = {r.uuid: r.version for r in link.ask(ListRouters(), timeout_s=10).routers}
            for uuid in set(there) - set(expected[host.id]):
                if env.db.read(lambda s, u=uuid, h=host.id: _is_elsewhere(s, u, h)):  # type: ignore[misc]
                    ROUTERS["VirtualRouter"].remove(uuid, link)
        except TegarError as e:
            log.get("loop").warning("cannot look at host", host=host.name, error=str(e))
            continue
        for uuid, applied in expected[host.id].items():
            if there.get(uuid, 0) < applied:
                lost = update(Router).where(Router.uuid == uuid, Router.host_id == host.id)
                env.db.tx(lambda s, q=lost: s.execute(q.values(applied=0)))  # type: ignore[misc]


def _expected(s: Session) -> tuple[list[Host], dict[int, dict[str, int]]]:
    up = list(s.scalars(select(Host).where(live(Host), Host.state == HostState.UP)))
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for router in s.scalars(select(Router).where(Router.host_id.is_not(None))):
        found[router.host_id or 0][router.uuid] = router.applied
    return up, found


def _is_elsewhere(s: Session, uuid: str, host_id: int) -> bool:
    """Return whether a router is known and not of that host; strangers are left alone."""
    router = s.scalars(select(Router).where(Router.uuid == uuid)).one_or_none()
    return router is not None and router.host_id not in (None, host_id)
