"""Bring rules and processes of a router to the bundle in force, disturbing only what has to be."""

from __future__ import annotations

import hashlib
import os
import pwd
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tegar.agent import child
from tegar.agent.router import bundles, counters, haproxy
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.kernel.errors import AgentRefused
from tegar.model.router import RouterSpec

SCRIPT_WARNING = 6  # of keepalived about any script; ours is written by us alone
EVERYTHING = frozenset({"*"})  # nothing is known of what changed


def _hang_up(home: Path, process: Daemon) -> None:
    process.signal(signal.SIGHUP)


@dataclass(frozen=True)
class Service:
    """One process of a router: how it is started, and which files it needs a restart or only a reload for."""

    name: str
    conf: str  # it runs when the bundle has this file
    argv: Callable[[Path], tuple[str, ...]]
    ready: str
    restart_for: frozenset[str] = frozenset()
    reload_for: tuple[str, ...] = ()  # beginnings of names
    reload: Callable[[Path, Daemon], None] = _hang_up
    leaves: tuple[str, ...] = ()  # files that keep it from starting again when its host's power was cut


def keepalived(home: Path) -> tuple[str, ...]:
    """Return the command that runs keepalived and says what it does on its standard error."""
    pids = (f"--pid={home}/keepalived.pid", f"--vrrp_pid={home}/vrrp.pid")
    conf = f"--use-file={home}/current/keepalived.conf"
    return ("keepalived", "--dont-fork", "--log-console", "--no-syslog", "--vrrp", conf, *pids)


SERVICES = (
    Service(
        "dnsmasq", "dnsmasq.conf",
        lambda home: ("dnsmasq", "--keep-in-foreground", f"--conf-file={home}/current/dnsmasq.conf"),
        ready="started, version",
        restart_for=frozenset({"dnsmasq.conf"}),
        reload_for=("dhcp-hosts", "hosts"),
    ),
    Service(
        "metadata", "guests",
        lambda home: child.python("tegar.agent.router.metadata", str(home)),
        ready="ready",
    ),
    Service(
        "haproxy", "haproxy.cfg", haproxy.argv, ready="Loading success",
        reload_for=("haproxy.cfg", "certificates/"), reload=haproxy.reload,
    ),
    Service(
        "conntrackd", "conntrackd.conf",
        lambda home: ("conntrackd", "-C", f"{home}/current/conntrackd.conf"),
        ready="initialization completed",
        restart_for=frozenset({"conntrackd.conf"}),
        leaves=("conntrackd.lock", "conntrackd.ctl"),
    ),
    Service(
        "keepalived", "keepalived.conf", keepalived, ready="Entering BACKUP STATE",
        reload_for=("keepalived.conf",),
        leaves=("keepalived.pid", "vrrp.pid"),
    ),
)  # fmt: skip


def try_out(space: Namespace, home: Path, files: Path, changed: frozenset[str]) -> None:
    """Let the programs read those new files that differ before they are in force; rules are tried by applying them."""

    def differs(name: str) -> bool:
        return (files / name).exists() and (changed == EVERYTHING or name in changed)

    if differs("dnsmasq.conf"):
        argv = ("dnsmasq", "--test", f"--conf-file={files}/dnsmasq.conf")
        child.run(argv, timeout_s=10, what="dnsmasq").must("dnsmasq --test")
    if differs("haproxy.cfg"):
        haproxy.try_out(home, files)
    if differs("keepalived.conf"):
        argv = ("keepalived", "--config-test", f"--use-file={files}/keepalived.conf")
        said = space.run(*argv, what="keepalived")
        if said.code != SCRIPT_WARNING:
            said.must("keepalived --config-test")


def rule(space: Namespace, files: Path, before: RouterSpec | None, spec: RouterSpec) -> None:
    """Put the rules of a bundle in force, in one transaction: all of them or none.

    Args:
        space: where the router lives.
        files: the bundle.
        before: the spec that is served, None when that is not known for certain.
        spec: the spec of the bundle.
    """
    text = (files / "rules.nft").read_text() + counters.stale(space, before, spec)
    said = space.run("nft", "-f", "-", what="nft", stdin=text)
    if said.code != 0:
        raise AgentRefused("The host", "nft", said.err.splitlines()[0] if said.err else "no reason given")


def rules_digest(space: Namespace) -> str:
    """Return what tells one ruleset in force from another, empty when ours is not there."""
    said = space.run("nft", "--stateless", "list", "ruleset", what="nft")
    ours = "table inet tegar {" in said.out and "table inet tegar-traffic {" in said.out
    return hashlib.sha256(said.out.encode()).hexdigest() if ours else ""


def serve(space: Namespace, home: Path, spec: RouterSpec, changed: frozenset[str]) -> None:
    """Bring the processes to the bundle in force.

    Args:
        space: where the router lives.
        home: its directory.
        spec: the bundle's spec.
        changed: the files that differ from what the processes have read.
    """
    _make_password_folder(home)
    for service in SERVICES:
        _bring(space, home, spec, service, changed)


def alive(home: Path) -> bool:
    """Return whether all processes that the bundle in force needs run."""
    return all(
        Daemon(home / f"{it.name}.run").pid() for it in SERVICES if (home / "current" / it.conf).exists()
    )


def stop(home: Path) -> None:
    """End all processes."""
    for service in SERVICES:
        Daemon(home / f"{service.name}.run").stop()


def _bring(space: Namespace, home: Path, spec: RouterSpec, service: Service, changed: frozenset[str]) -> None:
    process = Daemon(home / f"{service.name}.run")
    if not (home / "current" / service.conf).exists():
        process.stop()
        return
    stale = _stale_leases(home, spec) if service.name == "dnsmasq" else frozenset()
    if (
        not process.pid()
        or (changed == EVERYTHING and service.restart_for)
        or service.restart_for & changed
        or stale
    ):
        process.stop()
        for name in service.leaves:
            (home / name).unlink(missing_ok=True)
        _drop_leases(home, stale)
        process.spawn(space.enter(*service.argv(home)), home / f"{service.name}.log", service.ready)
    elif service.reload_for and (
        changed == EVERYTHING or any(n.startswith(service.reload_for) for n in changed)
    ):
        service.reload(home, process)


def _make_password_folder(home: Path) -> None:
    """Make the directory where the metadata service remembers which passwords were fetched."""
    folder = home / "passwords"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)


def _stale_leases(home: Path, spec: RouterSpec) -> frozenset[str]:
    """Return the addresses that are leased to a MAC which has them no more.

    dnsmasq would refuse such an address to its new owner, and nothing but a restart without the
    lease makes it forget one.
    """
    known = {(guest.mac, guest.ip) for subnet in spec.subnets for guest in subnet.guests}
    rows = [row.split() for row in (bundles.read(home / "leases") or "").splitlines()]
    return frozenset(row[2] for row in rows if len(row) >= 3 and (row[1], row[2]) not in known)


def _drop_leases(home: Path, addresses: frozenset[str]) -> None:
    if addresses:
        rows = (bundles.read(home / "leases") or "").splitlines(keepends=True)
        (home / "leases").write_text(
            "".join(r for r in rows if r.split()[2:3] and r.split()[2] not in addresses)
        )
