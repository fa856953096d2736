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
from tegar.agent.router import bundles, counters, flows, pair, serve
from tegar.agent.router.links import is_pair, wired
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
        self._digests: dict[
            str, tuple[int, str]
        ] = {}  # what each router's ruleset looked like, and its version

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
                    self._repair(space, home, old, serve.EVERYTHING)
                return old.version
            files = bundle(spec, str(home))
            if not space.there():
                serve.stop(home)  # a process in a namespace that lost its name would serve nobody
            there = old is not None and space.there()
            turns = old is not None and there and is_pair(old) != is_pair(spec)
            if turns:
                space.configure()
            if turns and not is_pair(spec):
                pair.part(home)
            whole = old is not None and there and bundles.served(home) == old.version
            known = old if whole else None
            rewired = not (known and wired(known) == wired(spec) and space.plugged(spec))
            added = space.make(spec, self._segments) if rewired else ()
            if turns:
                _announce(space, added)  # now: packets to the MAC that a NIC had before are lost
            changed = bundles.write(home, spec.version, files)
            try:
                serve.try_out(space, home, home / str(spec.version), changed if whole else serve.EVERYTHING)
                bundles.note_unserved(home)
                serve.rule(space, home / str(spec.version), known, spec)
            except TegarError:
                if known:
                    bundles.note_served(home, known.version)  # its rules are still in force
                raise
            bundles.switch(home, spec.version)
            serve.serve(space, home, spec, changed if whole else serve.EVERYTHING)
            if turns or (there and not whole):
                pair.join(space, home, spec)
            flows.end_revoked(space, old, spec)
            if rewired:
                space.trim(spec, self._segments)
            pair.settle(space, home, spec)
            bundles.note_served(home, spec.version)
            _announce(space, added)
            bundles.forget_others(home, spec.version)
            return spec.version

    def _repair(self, space: Namespace, home: Path, spec: RouterSpec, changed: frozenset[str]) -> None:
        """Bring everything to the bundle in force, whatever it was left as."""
        bundles.note_unserved(home)
        space.make(spec, self._segments)
        serve.rule(space, home / "current", None, spec)
        serve.serve(space, home, spec, changed)
        if changed == serve.EVERYTHING:
            pair.join(space, home, spec)  # it may have been left half-way between being alone and one of two
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
            self._digests.pop(uuid, None)
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
            self._mend(router.uuid, sure=False)

    def mend(self) -> None:
        """Look for dead processes, lost NICs and rules changed by somebody else, and repair what is not as applied."""
        for router in self.all():
            self._mend(router.uuid, sure=True)

    def _mend(self, uuid: str, *, sure: bool) -> None:
        """Repair a router; when *sure*, only if something is seen to be wrong."""
        home, space = self._home / uuid, Namespace(uuid)
        with self._locks.of(uuid):
            spec = bundles.in_force(home)
            if spec is None or not space.there():
                return
            whole = bundles.served(home) == spec.version
            if (
                sure
                and whole
                and serve.alive(home)
                and space.plugged(spec)
                and self._rules_are_ours(space, spec)
            ):
                return
            log.info("router repaired", router=uuid, version=spec.version, served=whole)
            try:
                self._repair(space, home, spec, frozenset() if whole else serve.EVERYTHING)
            except TegarError as e:
                log.error("router not repaired", router=uuid, why=str(e))

    def _rules_are_ours(self, space: Namespace, spec: RouterSpec) -> bool:
        """Return whether the ruleset is what it was when it was first looked at under this version."""
        seen = serve.rules_digest(space)
        version, digest = self._digests.get(spec.uuid, (0, ""))
        if version != spec.version:
            self._digests[spec.uuid] = (spec.version, seen)
            return seen != ""
        return seen == digest


def _announce(space: Namespace, added: tuple[tuple[str, str], ...]) -> None:
    """Tell the segments where the router's addresses are now."""
    words = [word for pair in added for word in pair]
    if words:
        argv = child.python("tegar.agent.router.announce", *words)
        space.run(*argv, what="announcing addresses")
