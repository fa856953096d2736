"""The Routers port: bundles on disk, one of them in force, and the processes that read it."""

from __future__ import annotations

import ipaddress
import os
import pwd
import shutil
import signal
from pathlib import Path

import structlog

from tegar.agent import child
from tegar.agent.fences import Locks
from tegar.agent.host import Segments
from tegar.agent.places import check_uuid
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.agent.router.render import LINK, bundle
from tegar.kernel import codec
from tegar.kernel.errors import AgentRefused, Refused, TegarError
from tegar.model.router import RouterSpec
from tegar.wire.router import RouterUp

KNOCK_DEADLINE_S = 3.0
log = structlog.get_logger(__name__)


class NamespaceRouters:
    """Routers under ``<home>/<uuid>/``: bundles ``<version>/``, ``current``, and the processes' files."""

    def __init__(self, home: Path, segments: Segments) -> None:
        self._home = home
        self._segments = segments
        self._locks = Locks()

    def apply(self, spec: RouterSpec) -> int:
        """Make the router as the spec says; a newer version that runs stays."""
        home = self._home / check_uuid(spec.uuid)
        with self._locks.of(spec.uuid):
            space, old = Namespace(spec.uuid), _in_force(home)
            if space.there() and old and old.version > spec.version:
                return old.version
            files = bundle(spec, str(home))
            self._segments.ensure(spec.subnets[0].network)
            if not space.there() or (old and _wiring(old) != _wiring(spec)):
                _stop(home)  # a process in a namespace that lost its name would serve nobody
                space.remove(self._segments)
            space.make(spec, self._segments)
            changed = _write(home, spec.version, files)
            _try_out(space, home / str(spec.version))
            _switch(home, spec.version)
            _serve(space, home, spec, changed)
            _forget_others(home, spec.version)
            return spec.version

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
            _stop(home)
            Namespace(uuid).remove(self._segments)
            shutil.rmtree(home, ignore_errors=True)

    def all(self) -> tuple[RouterUp, ...]:
        """Return what runs; a router whose namespace is gone does not."""
        found = []
        for home in sorted(self._home.glob("*-*-*-*-*")):
            spec = _in_force(home)
            if spec and Namespace(spec.uuid).there():
                found.append(RouterUp(spec.uuid, spec.version))
        return tuple(found)

    def revive(self) -> None:
        """Restart dead processes of routers whose namespace is there; done when the agent starts."""
        for router in self.all():
            home = self._home / router.uuid
            with self._locks.of(router.uuid):
                spec = _in_force(home)
                try:
                    if spec:
                        _serve(Namespace(router.uuid), home, spec, frozenset())
                except TegarError as e:
                    log.error("router not revived", router=router.uuid, why=str(e))


def _in_force(home: Path) -> RouterSpec | None:
    """Return the spec of the bundle in force."""
    try:
        spec: RouterSpec = codec.decode(RouterSpec, (home / "current" / "spec.json").read_bytes())
    except (OSError, ValueError):
        return None
    return spec


def _wiring(spec: RouterSpec) -> tuple[object, ...]:
    """Return what a namespace is built from; when it changes, a new one is built."""
    net = spec.subnets[0]
    return (net.network, net.mac, net.ip, net.prefix_len)


def _write(home: Path, version: int, files: dict[str, str]) -> frozenset[str]:
    """Write a bundle, whole or not at all; return the names of files that differ from those in force.

    Nothing is flushed to disk: a host that lost its power has lost the namespace too.
    """
    home.mkdir(parents=True, exist_ok=True)
    _check_readable(home)
    changed = frozenset(name for name, text in files.items() if _read(home / "current" / name) != text)
    part = home / f".{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o755)
    (part / "guests").mkdir(mode=0o755)
    for name, text in files.items():
        guest = name.startswith("guests/")
        secret = guest or name == "spec.json"  # user data may hold passwords
        with open(os.open(part / name, os.O_WRONLY | os.O_CREAT, 0o400 if secret else 0o644), "w") as f:
            f.write(text)
        if guest:
            os.chown(part / name, pwd.getpwnam("nobody").pw_uid, -1)
    final = home / str(version)
    if final.exists():
        final.rename(home / f".{version}.old")
    part.rename(final)
    shutil.rmtree(home / f".{version}.old", ignore_errors=True)
    return changed


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None


def _check_readable(home: Path) -> None:
    """Refuse a state directory that dnsmasq, without root, could not reach."""
    for folder in (home, *home.parents):
        if not folder.stat().st_mode & 0o001:
            raise AgentRefused("The host", "ApplyRouter", f"dnsmasq cannot reach {home}: chmod o+x {folder}")


def _try_out(space: Namespace, files: Path) -> None:
    """Let the programs read the new files before they are in force."""
    conf = files / "dnsmasq.conf"
    child.run(("dnsmasq", "--test", f"--conf-file={conf}"), timeout_s=10, what="dnsmasq").must(
        "dnsmasq --test"
    )
    space.run("nft", "--check", "-f", str(files / "rules.nft"), what="nft").must("nft --check")


def _switch(home: Path, version: int) -> None:
    """Put a bundle in force, all of it at once."""
    spare = home / ".current"
    spare.unlink(missing_ok=True)
    spare.symlink_to(str(version))
    spare.replace(home / "current")


def _serve(space: Namespace, home: Path, spec: RouterSpec, changed: frozenset[str]) -> None:
    """Bring rules and processes to the bundle in force, disturbing only what has to be."""
    space.run("nft", "-f", str(home / "current" / "rules.nft"), what="nft").must("nft")
    dnsmasq = Daemon(home / "dnsmasq.run")
    stale = _stale_leases(home, spec)
    if not dnsmasq.pid() or "dnsmasq.conf" in changed or stale:
        dnsmasq.stop()
        _drop_leases(home, stale)
        argv = space.enter("dnsmasq", "--keep-in-foreground", f"--conf-file={home}/current/dnsmasq.conf")
        dnsmasq.spawn(argv, home / "dnsmasq.log", "started, version")
    elif {"dhcp-hosts", "hosts"} & changed:
        dnsmasq.signal(signal.SIGHUP)
    service = Daemon(home / "metadata.run")
    if not service.pid():
        argv = space.enter(*child.python("tegar.agent.router.metadata", str(home), LINK, spec.subnets[0].ip))
        service.spawn(argv, home / "metadata.log", "ready")


def _stale_leases(home: Path, spec: RouterSpec) -> frozenset[str]:
    """Return the addresses that are leased to a MAC which has them no more.

    dnsmasq would refuse such an address to its new owner, and nothing but a restart without the
    lease makes it forget one.
    """
    known = {(guest.mac, guest.ip) for guest in spec.subnets[0].guests}
    rows = [row.split() for row in (_read(home / "leases") or "").splitlines()]
    return frozenset(row[2] for row in rows if len(row) >= 3 and (row[1], row[2]) not in known)


def _drop_leases(home: Path, addresses: frozenset[str]) -> None:
    if addresses:
        rows = (_read(home / "leases") or "").splitlines(keepends=True)
        (home / "leases").write_text(
            "".join(r for r in rows if r.split()[2:3] and r.split()[2] not in addresses)
        )


def _stop(home: Path) -> None:
    for name in ("dnsmasq.run", "metadata.run"):
        Daemon(home / name).stop()


def _forget_others(home: Path, version: int) -> None:
    for old in home.iterdir():
        if old.is_dir() and not old.is_symlink() and old.name != str(version):
            shutil.rmtree(old, ignore_errors=True)
