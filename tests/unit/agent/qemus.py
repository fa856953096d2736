"""Real QEMU processes without guests: they answer QMP within a fraction of a second."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tegar.agent.gate import Report, Verb
from tegar.agent.hands import QmpHands
from tegar.agent.paths import Paths
from tegar.agent.qmp import Qmp

QEMU = shutil.which("qemu-system-x86_64")
BOOT = "boot.1"
PATIENCE_S = 30.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"gave up waiting for {what}"
        time.sleep(0.005)


@dataclass
class Bench:
    """A host's run directory, its QEMUs, and a warden's ear."""

    paths: Paths
    ear: socket.socket
    hands: QmpHands | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    number: int = 0

    def start_hands(self, *, guarded: bool = True) -> QmpHands:
        """Start the agent's thread."""
        self.hands = QmpHands(self.paths, BOOT, guarded=guarded, on_failure=lambda: os.abort())
        return self.hands

    def qemu(self, *args: str, paused: bool = True, id: str = "") -> str:
        """Start a QEMU as libvirt would, and return its VM's uuid."""
        id = id or str(uuid.uuid4())
        argv = [
            str(QEMU), "-machine", "pc,accel=tcg", "-m", "16", "-nodefaults", "-display", "none",
            "-chardev", f"socket,id=tegar-hands,path={self.paths.sockets}/{id}.sock,server=on,wait=off",
            "-mon", "chardev=tegar-hands,mode=control", "-qmp", f"unix:{self.eye(id)},server=on,wait=off", *(["-S"] if paused else []), *args,
        ]  # fmt: skip
        self.processes.append(subprocess.Popen(argv, stderr=subprocess.PIPE))
        return id

    def order(self, verb: Verb, epoch: int = 0, number: int = 0) -> int:
        """Send an order as the warden does; return its number."""
        self.number = number or self.number + 1
        text = json.dumps({"number": self.number, "verb": verb.value, "epoch": epoch})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), str(self.paths.orders))
        return self.number

    def hear(self) -> Report:
        """Return the next report."""
        while "number" not in (said := json.loads(self.ear.recv(4096))):
            pass  # it was told to restart
        self.reports.append(Report(**said))
        return self.reports[-1]

    def done(self, verb: Verb, epoch: int = 0) -> float:
        """Give an order, wait until it is done, and return how many seconds that took."""
        start_s = time.monotonic()
        number = self.order(verb, epoch)
        while not ((said := self.hear()).number == number and said.done):
            pass
        return time.monotonic() - start_s

    def eye(self, id: str) -> Path:
        """Return another control socket of the same QEMU: libvirt's, so to speak."""
        return self.paths.run_dir / f"{id[:8]}.eye"

    def status(self, id: str) -> str:
        """Return what QEMU says of itself."""
        qmp = Qmp(self.eye(id))
        try:
            return str(qmp.execute("query-status", timeout_s=PATIENCE_S)["status"])
        finally:
            qmp.close()


@contextmanager
def bench() -> Iterator[Bench]:
    """Give one, and take it down."""
    folder = Path(tempfile.mkdtemp(prefix="tgr"))  # short: a socket's path has room for 107 bytes
    paths = Paths(folder)
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(paths.reports))
    ear.settimeout(PATIENCE_S)
    paths.sockets.mkdir()
    made = Bench(paths, ear)
    try:
        yield made
    finally:
        if made.hands:
            made.hands.close()
        for process in made.processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        ear.close()
        shutil.rmtree(folder)
