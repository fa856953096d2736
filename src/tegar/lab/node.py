"""A node: one set of namespaces with a first process, that can lose its power and get it back."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tegar.lab import init, watchdog, wiring
from tegar.lab.command import must
from tegar.lab.errors import LabError
from tegar.lab.topology import Topology
from tegar.lab.wait import process_end, until

BOOT_PATIENCE_S = 20
POWER_CUT_PATIENCE_S = 30
STOP_PATIENCE_S = init.STOP_PATIENCE_S + 10
_STARTERS = ("/lab/init.py", "/lab/watchdog.py", "tegar.lab.boot")


@dataclass(frozen=True)
class Service:
    """A program a node runs, with words and environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Node:
    """Namespaces for network, mounts, processes, host name and IPC, kept by one first process.

    The node's state is what can be seen: its first process carries the lab's prefix, its name and
    its directory in its command line, and is looked up each time.

    Attributes:
        topology: the lab it is part of.
        name: its host name.
        binds: what it is shown in place of the machine's own files, and where.
        plugs: its cables.
        kvm: whether it sees /dev/kvm.
        watchdog: whether it has one, outside of itself; see ``watchdog.py``.
    """

    topology: Topology
    name: str
    binds: tuple[tuple[Path, str], ...]
    plugs: tuple[wiring.Plug, ...]
    kvm: bool = False
    watchdog: bool = False

    @property
    def home(self) -> Path:
        """Where all of this node lives on the machine."""
        return self.topology.node_dir(self.name)

    def init_pid(self) -> int | None:
        """Return the first process as the machine numbers it, or None without power."""
        return next((pid for pid in _pids() if self._is_init(pid)), None)

    def _is_init(self, pid: int) -> bool:
        ours = _names_node(pid, self.topology, _STARTERS[:1]) == self.name
        return ours and _inner_pid(pid) == 1

    def watchdog_pid(self) -> int | None:
        """Return the process that keeps the node's watchdog, or None."""
        return next((p for p in _pids() if _names_node(p, self.topology, _STARTERS[1:2]) == self.name), None)

    def power_on(self) -> None:
        """Start the first process, plug the cables in, start every service the node has had.

        A node that has power is only completed.  Cables that are cut stay cut.

        Raises:
            LabError: it does not come up; its log/init.log says more.
        """
        with self._powering():
            if self.init_pid() is None:
                self._boot()
            wiring.plug_in(self.topology, self.name, self._must_pid(), self.plugs, cut=self.cut_networks())
            if self.watchdog and self.watchdog_pid() is None:
                self._start_watchdog()
            for service in self.registered():
                self._order(do="start", name=service.name, argv=service.argv, env=service.env)

    @contextlib.contextmanager
    def _powering(self) -> Iterator[None]:
        """Wait until nobody else gives the node power: its watchdog's reset may do it by itself."""
        self.home.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _start_watchdog(self) -> None:
        door = self.home / "var" / watchdog.SOCKET
        door.unlink(missing_ok=True)
        words = [str(Path(watchdog.__file__).resolve()), *_init_words(self.topology, self.name)[1:]]
        with (self.home / "log" / "watchdog.log").open("a") as log:
            subprocess.run(
                ["setsid", "--fork", sys.executable, "-I", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                timeout=20,
                env={**os.environ, watchdog.INIT_PID: str(self._must_pid())},
            )
        until(door.exists, f"the watchdog of {self.name} (see {self.home}/log/watchdog.log)", BOOT_PATIENCE_S)

    def cut_networks(self) -> frozenset[str]:
        """Return the networks whose cables are cut."""
        try:
            return frozenset(json.loads((self.home / "cut.json").read_text()))
        except FileNotFoundError:
            return frozenset()

    def cut(self, networks: Collection[str]) -> None:
        """Cut cables at the switch; they stay cut when the watchdog resets the node."""
        self._remember_cut(self.cut_networks() | set(networks))
        wiring.switch_ports(self.topology, self.name, networks, up=False)

    def join(self, networks: Collection[str]) -> None:
        """Mend cables; those that are whole are no error."""
        self._remember_cut(self.cut_networks() - set(networks))
        wiring.switch_ports(self.topology, self.name, networks, up=True)

    def _remember_cut(self, networks: Collection[str]) -> None:
        new = self.home / "cut.json.new"
        new.write_text(json.dumps(sorted(networks)))
        new.replace(self.home / "cut.json")

    def _boot(self) -> None:
        for source, _ in self.binds:
            if not source.exists():
                source.mkdir(parents=True)
        (self.home / "log").mkdir(parents=True, exist_ok=True)
        plan = {"binds": [(str(s), t) for s, t in self.binds], "kvm": self.kvm}
        (self.home / "node.json").write_text(json.dumps(plan))
        (self.home / "control.sock").unlink(missing_ok=True)
        argv = ["setsid", "--fork", "unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork",
                "--mount-proc", "--", sys.executable, "-I", *_init_words(self.topology, self.name)]  # fmt: skip
        with (self.home / "log" / "init.log").open("a") as log:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=20)
        until(self._listens, f"{self.name} to boot (see {self.home}/log/init.log)", BOOT_PATIENCE_S)

    def _listens(self) -> bool:
        if not (self.home / "control.sock").exists():
            return False
        try:
            self._order(do="list")
        except LabError:
            return False
        return True

    def power_off(self) -> None:
        """Cut the power: kill the first process, and with it everything in the node.

        Cables that were cut will be whole at the next boot.

        Raises:
            LabError: something of it still runs after half a minute.
        """
        cut_power(self.topology, self.name)
        (self.home / "cut.json").unlink(missing_ok=True)
        wiring.unplug(self.topology, self.name, self.plugs)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the words that run a command inside the node.

        Raises:
            LabError: the node has no power.
        """
        spaces = ["--net", "--mount", "--pid", "--uts", "--ipc"]
        return ["nsenter", "--target", str(self._must_pid()), *spaces, "--", *argv]

    def start_service(self, service: Service) -> None:
        """Run a program and run it again when it dies; also after the node's next boot.

        The same program again changes nothing; other words or environment restart it.
        """
        others = [s for s in self.registered() if s.name != service.name]
        self._register([*others, service])
        if self.init_pid() is not None:
            self._order(do="start", name=service.name, argv=service.argv, env=dict(service.env))

    def stop_service(self, name: str) -> None:
        """End a service and forget it; TERM first, KILL after a quarter of a minute."""
        self._register([s for s in self.registered() if s.name != name])
        if self.init_pid() is None:
            return
        self._order(do="stop", name=name)
        until(lambda: self.service_pid(name) is None, f"{name} on {self.name} to stop", STOP_PATIENCE_S)

    def service_pid(self, name: str) -> int | None:
        """Return a service's process as the machine numbers it, or None when it does not run."""
        init_pid = self.init_pid()
        if init_pid is None:
            return None
        inner = self._order(do="list")["services"].get(name, {}).get("pid")
        space = _pid_space(init_pid)
        return next((p for p in _pids() if inner and _inner_pid(p) == inner and _pid_space(p) == space), None)

    def processes(self) -> list[int]:
        """Return every process in the node, as the machine numbers them."""
        init_pid = self.init_pid()
        if init_pid is None:
            return []
        space = _pid_space(init_pid)
        return [pid for pid in _pids() if _pid_space(pid) == space]

    def registered(self) -> list[Service]:
        """Return the services the node runs or would run with power, in the order of their start."""
        try:
            rows = json.loads((self.home / "services.json").read_text())
        except FileNotFoundError:
            return []
        return [Service(row["name"], tuple(row["argv"]), row["env"]) for row in rows]

    def _register(self, services: Sequence[Service]) -> None:
        rows = [{"name": s.name, "argv": list(s.argv), "env": dict(s.env)} for s in services]
        new = self.home / "services.json.new"
        new.write_text(json.dumps(rows, indent=1))
        new.replace(self.home / "services.json")

    def _must_pid(self) -> int:
        pid = self.init_pid()
        if pid is None:
            raise LabError(f"{self.name} has no power")
        return pid

    def _order(self, **order: Any) -> dict[str, Any]:
        """Give the first process an order and return its answer.

        Raises:
            LabError: it does not answer.
        """
        handle = os.open(self.home, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                s.connect(f"/proc/self/fd/{handle}/control.sock")
                s.sendall(json.dumps(order).encode() + b"\n")
                answer: dict[str, Any] = json.loads(s.makefile("r").readline())
        except (OSError, ValueError) as e:
            raise LabError(f"the first process of {self.name} does not answer: {e}") from e
        finally:
            os.close(handle)
        if "error" in answer:
            raise LabError(f"{self.name}: {answer['error']}")
        return answer


def powered_names(topology: Topology) -> set[str]:
    """Return the names of a lab's nodes that run or are about to, whether or not the lab remembers them."""
    names = {_names_node(pid, topology) for pid in _pids()}
    return {name for name in names if name is not None}


def cut_power(topology: Topology, name: str) -> None:
    """Kill a node's first process and watchdog, and what is starting it, and return when all has ended.

    Raises:
        LabError: something of it still runs after half a minute.
    """
    while found := [pid for pid in _pids() if _names_node(pid, topology) == name]:
        for pid in found:
            _kill_of(topology, name, pid)


def _kill_of(topology: Topology, name: str, pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _names_node(pid, topology) == name:  # still the same process behind the number
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not process_end(pid, POWER_CUT_PATIENCE_S):
                raise LabError(f"{name} still runs {POWER_CUT_PATIENCE_S} s after its power was cut")
    finally:
        os.close(handle)


def _names_node(pid: int, topology: Topology, starters: Sequence[str] = _STARTERS) -> str | None:
    """Return which of the lab's nodes a process keeps or starts, as its command line says."""
    words = _command_line(pid)[-4:]
    if len(words) < 4 or not words[0].endswith(tuple(starters)):
        return None
    _, prefix, name, home = words
    ours = prefix == topology.prefix and home == str(topology.node_dir(name).absolute())
    return name if ours else None


def _init_words(topology: Topology, name: str) -> list[str]:
    return [
        str(Path(init.__file__).resolve()),
        topology.prefix,
        name,
        str(topology.node_dir(name).absolute()),
    ]


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _command_line(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").split("\0")[:-1]


def _inner_pid(pid: int) -> int | None:
    """Return a process's number in its own PID namespace."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), None)


def _pid_space(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def wait_for(node: Node, argv: Sequence[str], what: str, timeout_s: float) -> None:
    """Run a command inside a node until it succeeds.

    Raises:
        LabError: it did not within *timeout_s*.
    """

    def succeeds() -> bool:
        try:
            must(node.enter(argv), timeout_s=timeout_s)
        except LabError:
            return False
        return True

    until(succeeds, f"{what} on {node.name}", timeout_s)
