"""The Routers port: bundles on disk, one of them in force, and the processes that read it."""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path

import structlog

from tegar.agent import child
from tegar.agent.fences import Locks
from tegar.agent.host import Segments
from tegar.agent.places import check_uuid
from tegar.agent.router import bundles, counters, pair, serve
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.render import bundle
from tegar.kernel.errors import AgentRefused, Refused, TegarError
from tegar.model.router import RouterSpec
from tegar.wire.router import RouterCounters, RouterUp

KNOCK_DEADLINE_S = 3.0
log = structlog.get_logger(__name__)


class NamespaceRouters:
    """Routers under ``<home>/<uuid>/``: see ``bundles`` for what lies there."""

    def __init__(self, home: Path, segments: Segments) -> None:
        self._home = home
        self._segments = segments
        self._locks = Locks()

    def apply(self, spec: RouterSpec) -> int:
        """Make the router as the spec says; a newer version that runs stays.

        Killed anywhere in here, the agent leaves the old bundle in force, or the new one not served; then the router
        does not count as running until it is brought to it, by the agent's next start or by being told again.
        """
        home = self._home / check_uuid(spec.uuid)
        with self._locks.of(spec.uuid):
            space, old = Namespace(spec.uuid), bundles.in_force(home)
            if space.there() and old and old.version > spec.version:
                if bundles.served(home) != old.version:
                    self._bring(space, home, old, serve.EVERYTHING, old)
                return old.version
            files = bundle(spec, str(home))
            if not space.there():
                serve.stop(home)  # a process in a namespace that lost its name would serve nobody
            added = space.make(spec, self._segments)
            changed = bundles.write(home, spec.version, files)
            serve.try_out(space, home, home / str(spec.version))
            whole = old is not None and bundles.served(home) == old.version
            bundles.switch(home, spec.version)
            self._bring(space, home, spec, changed if whole else serve.EVERYTHING, old)
            _announce(space, added)
            bundles.forget_others(home, spec.version)
            return spec.version

    def _bring(
        self, space: Namespace, home: Path, spec: RouterSpec, changed: frozenset[str], old: RouterSpec | None
    ) -> None:
        serve.serve(space, home, spec, changed, old)
        space.trim(spec, self._segments)
        pair.settle(space, home, spec)
        bundles.note_served(home, spec.version)

    def knock(self, uuid: str, ip: str, port: int) -> bool:
        """Return whether a guest's port accepts; a child with a deadline tries, in the namespace."""
        space = Namespace(check_uuid(uuid))
        if not space.there():
            raise AgentRefused("The host", "CheckPort", f"router {uuid} is not here")
        try:
            address = str(ipaddress.ip_address(ip))
        except ValueError as e:
            raise Refused(f"{ip!r} is not an address") from e
        argv = space.enter(*child.python("tegar.agent.router.knock", address, str(int(port))))
        return child.run(argv, timeout_s=KNOCK_DEADLINE_S, what=f"knocking by router {uuid}").code == 0

    def remove(self, uuid: str) -> None:
        """Take the router away."""
        home = self._home / check_uuid(uuid)
        with self._locks.of(uuid):
            serve.stop(home)
            Namespace(uuid).remove(self._segments)
            shutil.rmtree(home, ignore_errors=True)

    def all(self) -> tuple[RouterUp, ...]:
        """Return what runs: version 0 when it is not whole, and nothing when its namespace is gone."""
        found = []
        for home in sorted(self._home.glob("*-*-*-*-*")):
            spec = bundles.in_force(home)
            if spec and Namespace(spec.uuid).there():
                whole = bundles.served(home) == spec.version and serve.alive(home)
                found.append(RouterUp(spec.uuid, spec.version if whole else 0, pair.role(home, spec)))
        return tuple(found)

    def counters(self) -> tuple[RouterCounters, ...]:
        """Return the traffic of all routers."""
        found = []
        for router in self.all():
            spec = bundles.in_force(self._home / router.uuid)
            if spec:
                found.append(counters.read(Namespace(router.uuid), spec))
        return tuple(found)

    def revive(self) -> None:
        """Make routers whole whose namespace is there; done when the agent starts."""
        for router in self.all():
            home, space = self._home / router.uuid, Namespace(router.uuid)
            with self._locks.of(router.uuid):
                spec = bundles.in_force(home)
                whole = spec is not None and bundles.served(home) == spec.version
                try:
                    if spec:
                        space.make(spec, self._segments)
                        self._bring(space, home, spec, frozenset() if whole else serve.EVERYTHING, spec)
                except TegarError as e:
                    log.error("router not revived", router=router.uuid, why=str(e))


def _announce(space: Namespace, added: tuple[tuple[str, str], ...]) -> None:
    """Tell the segments where the router's addresses are now."""
    words = [word for pair in added for word in pair]
    if words:
        argv = child.python("tegar.agent.router.announce", *words)
        space.run(*argv, what="announcing addresses")
