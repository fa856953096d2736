"""The first process of a lab host: what a kernel and an init system are to a real one.

It makes the host's private directories and devices, reaps orphans (QEMU daemonises, and a
first process that does not reap makes every stop of a guest wait 40 s) and keeps services
running.  It is started by file name, needs only the standard library, and takes orders, one
JSON line each, over the socket ``control.sock`` in its directory.  ``kill -9`` is a power cut.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIND, MOVE, DETACH = 4096, 8192, 2
RESTART_PAUSE_S = (0.0, 0.2, 0.5, 1.0)  # by deaths in a row, each soon after its start
STOP_PATIENCE_S = 15.0
SETTLED_S = 4.0
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse", "vhost-net")
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str = "none", flags: int = 0, options: str = "") -> None:
    """Attach one filesystem by the system call itself; the tool would follow links in /proc too early.

    Raises:
        OSError: the kernel refused.
    """
    words = (source.encode(), os.fsencode(target), kind.encode(), flags, options.encode() or None)
    if _libc.mount(*words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {source} on {target}: {os.strerror(code)}")


def furnish(binds: Sequence[tuple[str, str]], *, kvm: bool) -> None:
    """Give the host its own directories, /run, /sys and /dev.

    Args:
        binds: what to show (file or directory) and where.
        kvm: whether the host may see /dev/kvm; libvirt hangs on one that does not work.
    """
    sources = [(os.open(source, os.O_PATH), Path(target)) for source, target in binds]
    for handle, target in sources:
        if not target.exists():
            target.mkdir(parents=True)
        mount(f"/proc/self/fd/{handle}", target, flags=BIND)
        os.close(handle)
    _forget_mounts_below("/run/")
    mount("tmpfs", Path("/run"), "tmpfs", options="mode=755")
    Path("/run/lock").mkdir()
    mount("sysfs", Path("/sys"), "sysfs")
    _private_dev([*_DEVICES, *(["kvm"] if kvm else [])])


def _forget_mounts_below(root: str) -> None:
    """Let go of other people's mounts: a copy of one here would keep it alive there."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    for point in sorted((p for p in points if p.startswith(root)), reverse=True):
        _libc.umount2(point.encode().decode("unicode_escape").encode("latin-1"), DETACH)


def _private_dev(devices: Sequence[str]) -> None:
    """Replace /dev by one that holds only what a host needs."""
    new = Path("/run/dev")
    new.mkdir()
    mount("tmpfs", new, "tmpfs", options="mode=755")
    for name in devices:
        if (Path("/dev") / name).exists():
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).touch()
            mount(f"/dev/{name}", new / name, flags=BIND)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620,gid=5"),
        ("shm", "tmpfs", "mode=1777"),
        ("mqueue", "mqueue", ""),
    ):
        (new / name).mkdir()
        with contextlib.suppress(OSError):
            mount(kind, new / name, kind, options=options)
    for link, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0")):
        (new / link).symlink_to(target)
    (new / "stdout").symlink_to("/proc/self/fd/1")
    (new / "stderr").symlink_to("/proc/self/fd/2")
    mount(str(new), Path("/dev"), flags=MOVE)


@dataclass
class Service:
    """One program kept running."""

    name: str
    argv: list[str]
    env: dict[str, str]
    wanted: bool = True
    pid: int | None = None
    started_s: float = 0.0
    deaths: int = 0
    due_s: float | None = None  # when to start again, or, once unwanted, when to kill
    last_exit: int | None = field(default=None)


class Supervisor:
    """Keeps services running, reaps everything, answers orders; one thread."""

    def __init__(self, home: int) -> None:
        """Work in the directory behind the handle *home*."""
        self.home = home
        self.services: dict[str, Service] = {}

    def serve(self) -> None:
        """Run for ever."""
        wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        orders = self._listen()
        with selectors.DefaultSelector() as events:
            events.register(wake_in, selectors.EVENT_READ)
            events.register(orders, selectors.EVENT_READ)
            while True:
                for key, _ in events.select(self._patience_s()):
                    if key.fileobj is orders:
                        self._answer(orders)
                    else:
                        os.read(wake_in, 4096)
                self._reap()
                self._do_what_is_due()

    def _listen(self) -> socket.socket:
        path = f"/proc/self/fd/{self.home}/control.sock"  # short, however long the real path
        with contextlib.suppress(FileNotFoundError):
            os.unlink("control.sock", dir_fd=self.home)
        orders = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        orders.bind(path)
        os.chmod(path, 0o600)
        orders.listen(16)
        return orders

    def _patience_s(self) -> float | None:
        dues = [s.due_s for s in self.services.values() if s.due_s is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for service in self.services.values():
                if service.pid == pid:
                    self._died(service, os.waitstatus_to_exitcode(status))

    def _died(self, service: Service, code: int) -> None:
        now_s = time.monotonic()
        settled = now_s - service.started_s > SETTLED_S
        service.deaths = 0 if settled else service.deaths + 1
        pause_s = RESTART_PAUSE_S[min(service.deaths, len(RESTART_PAUSE_S) - 1)]
        service.pid, service.last_exit = None, code
        service.due_s = now_s + pause_s if service.wanted else None

    def _do_what_is_due(self) -> None:
        now_s = time.monotonic()
        for service in self.services.values():
            if service.due_s is None or service.due_s > now_s:
                continue
            service.due_s = None
            if service.wanted and service.pid is None:
                self._spawn(service)
            elif service.pid is not None:
                os.kill(service.pid, signal.SIGKILL)

    def _spawn(self, service: Service) -> None:
        log = f"/proc/self/fd/{self.home}/log/{service.name}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        service.started_s = time.monotonic()
        try:
            service.pid = os.posix_spawnp(
                service.argv[0],
                service.argv,
                {"PATH": os.defpath + ":/usr/sbin:/sbin", "HOME": "/root", "LANG": "C.UTF-8", **service.env},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGCHLD, signal.SIGPIPE),
            )
        except OSError as e:
            self._died(service, e.errno or 127)

    def _answer(self, orders: socket.socket) -> None:
        peer, _ = orders.accept()
        with peer, contextlib.suppress(OSError, ValueError):
            peer.settimeout(5)
            order = json.loads(peer.makefile("r").readline())
            try:
                answer = self.obey(order)
            except KeyError as e:
                answer = {"error": f"lacks {e}"}
            peer.sendall(json.dumps(answer).encode() + b"\n")

    def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order: start, stop or list."""
        match order["do"]:
            case "start":
                self._start(order["name"], list(order["argv"]), dict(order.get("env") or {}))
            case "stop":
                self._stop(order["name"])
        return {"services": {s.name: {"pid": s.pid, "wanted": s.wanted, "last_exit": s.last_exit}
                             for s in self.services.values()}}  # fmt: skip

    def _start(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        old = self.services.get(name)
        if old is None or (old.pid is None and not old.wanted):
            self.services[name] = Service(name, argv, env)
            self._spawn(self.services[name])
            return
        changed = (old.argv, old.env) != (argv, env)
        old.argv, old.env, old.wanted = argv, env, True
        if old.pid is None:
            old.due_s = time.monotonic()
        elif changed:
            os.kill(old.pid, signal.SIGTERM)  # its death starts the new one

    def _stop(self, name: str) -> None:
        service = self.services.get(name)
        if service is None:
            return
        service.wanted, service.due_s = False, None
        if service.pid is not None:
            os.kill(service.pid, signal.SIGTERM)
            service.due_s = time.monotonic() + STOP_PATIENCE_S


def main(argv: Sequence[str]) -> None:
    """Be the host whose directory is the last word: ``init.py PREFIX NAME DIRECTORY``."""
    _, name, directory = argv
    home = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    plan = json.loads((Path(directory) / "node.json").read_text())
    socket.sethostname(name)
    os.chdir("/")
    os.umask(0o022)
    furnish([(source, target) for source, target in plan["binds"]], kvm=plan["kvm"])
    Supervisor(home).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
