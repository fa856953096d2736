"""A cloud on this machine: where its files are and which processes are its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "TEGAR_LOCAL_CLOUD"  # in the environment of each of its processes: found by it after a crash, too


class LocalError(Exception):
    """The cloud could not be started or ended; the text says why and what to do."""


@dataclass(frozen=True)
class Place:
    """The directory of the cloud, usually ``.tegar``."""

    root: Path

    @property
    def state(self) -> Path:
        """The server's state: vault, database."""
        return self.root / "server"

    @property
    def lab(self) -> Path:
        """The lab's state."""
        return self.root / "lab"

    @property
    def cache(self) -> Path:
        """What is expensive to make again; ``down`` leaves it."""
        return self.root / "cache"

    @property
    def guest(self) -> Path:
        """The guest image."""
        return self.cache / "guest.qcow2"

    @property
    def facts(self) -> Path:
        """Address and credentials, for people and programs."""
        return self.root / "cloud.json"

    def log(self, name: str) -> Path:
        """Return where a process's words go."""
        return self.root / "log" / f"{name}.log"


def tegar(*words: str) -> list[str]:
    """Return the words that run a role of this program."""
    return [sys.executable, "-m", "tegar.main", *words]


def service_environment() -> dict[str, str]:
    """Return the environment in which a machine of the lab runs a role: it is this very code that runs there."""
    return {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def marked(place: Place, name: str) -> dict[str, str]:
    """Return the environment of a process of the cloud: ``down`` finds it, and all it started, by the mark."""
    return {**os.environ, MARK: f"{place.root.absolute()}:{name}"}


def spawn(place: Place, name: str, argv: Sequence[str]) -> int:
    """Start a process of the cloud that outlives this one; return its pid."""
    log = place.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=marked(place, name),
        )
    return process.pid


def processes(place: Place, name: str = "") -> list[int]:
    """Return the pids of the cloud's processes, or of those of one name, by the mark they carry."""
    wanted = f"{MARK}={place.root.absolute()}:{name}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _carries(entry, wanted, exact=bool(name)):
            found.append(int(entry.name))
    return found


def _carries(entry: Path, wanted: bytes, *, exact: bool) -> bool:
    try:
        words = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return wanted in words if exact else any(word.startswith(wanted) for word in words)


def end(pids: Sequence[int], patience_s: float = 10) -> None:
    """Ask processes to end, and kill those that do not."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue
        if until(lambda: not any(_alive(pid) for pid in pids), patience_s):
            return


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    if state == "Z":
        try:
            os.waitpid(pid, os.WNOHANG)  # a child of ours that ended
        except ChildProcessError:
            return False
        return False
    return True


def until(true: Callable[[], object], patience_s: float, every_s: float = 0.1) -> bool:
    """Wait until something is so; return whether it was within the time."""
    for _ in _ticks(patience_s, every_s):
        if true():
            return True
    return bool(true())


def spend(seconds: float) -> None:
    """Let the others go on for so long, with nothing to wait for: a fault lasts, or clients are watched."""
    for _ in _ticks(seconds, 0.05):
        pass


def _ticks(patience_s: float, every_s: float) -> Iterator[None]:
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        yield
        time.sleep(every_s)


def free_port(wanted: int) -> int:
    """Return a port of 127.0.0.1 that is free: the wanted one if it can be had."""
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = s.getsockname()[1]
            return found
    raise LocalError("no port of 127.0.0.1 is free")


def write_facts(place: Place, facts: dict[str, object]) -> None:
    """Write ``cloud.json``, readable by its owner only."""
    spare = place.facts.with_suffix(".new")
    with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(facts, f, indent=2)
        f.write("\n")
    spare.replace(place.facts)
