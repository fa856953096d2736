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
from tegar.model.router import Role
from tegar.saga.env import Env
from tegar.saga.router_obey import obey
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router, RouterGroup
from tegar.wire.router import ListRouters, RouterUp

MISSING = "it is not on its host"
NOT_WHOLE = "it is not whole, or does not do what it was told last"


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
    """Ask hosts what they run: what is missing counts as never applied, what should not be there is removed."""
    hosts, expected = env.db.read(_expected)
    for host in hosts:
        link = env.links.to(host.url)
        try:
            there = {r.uuid: r for r in link.ask(ListRouters(), timeout_s=10).routers}
            for uuid in set(there) - set(expected[host.id]):
                if env.db.read(lambda s, u=uuid, h=host.id: _is_elsewhere(s, u, h)):  # type: ignore[misc]
                    ROUTERS["VirtualRouter"].remove(uuid, link)
        except TegarError as e:
            log.get("loop").warning("cannot look at host", host=host.name, error=str(e))
            continue
        for router in expected[host.id].values():
            _note(env, router, host.id, there.get(router.uuid))


def _note(env: Env, router: Router, host_id: int, up: RouterUp | None) -> None:
    """Write down what is new about a router: its role, what is wrong with it, and that it must be told again."""
    trouble = "" if up and up.version >= router.applied else MISSING if up is None else NOT_WHOLE
    role = up.role.value if up else Role.UNKNOWN.value
    values: dict[str, object] = {"applied": 0} if trouble else {}
    if trouble != router.trouble:
        values |= {"trouble": trouble, "trouble_since_s": env.clock.now_s() if trouble else None}
    if role != router.role:
        values |= {"role": role, "role_since_s": env.clock.now_s()}
        log.get("loop").info("router has another role", router=router.uuid, role=role, before=router.role)
    if values:
        mine = update(Router).where(Router.uuid == router.uuid, Router.host_id == host_id)
        env.db.tx(lambda s: s.execute(mine.values(version=Router.version + 1, **values)))


def _expected(s: Session) -> tuple[list[Host], dict[int, dict[str, Router]]]:
    up = list(s.scalars(select(Host).where(live(Host), Host.state == HostState.UP)))
    found: dict[int, dict[str, Router]] = defaultdict(dict)
    wanted = select(Router).where(Router.host_id.is_not(None), Router.stopped.is_(False), live(Router))
    for router in s.scalars(wanted):
        found[router.host_id or 0][router.uuid] = router
    return up, found


def _is_elsewhere(s: Session, uuid: str, host_id: int) -> bool:
    """Return whether a router is known and should not be on that host; strangers are left alone."""
    router = s.scalars(select(Router).where(Router.uuid == uuid)).one_or_none()
    return router is not None and (
        router.host_id != host_id or router.stopped or router.removed_s is not None
    )
