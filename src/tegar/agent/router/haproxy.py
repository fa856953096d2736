"""The running HAProxy of a router: started, tried out, and changed without a lost connection."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tegar.agent import child
from tegar.agent.router.process import Daemon
from tegar.agent.router.render.haproxy import digest_of
from tegar.kernel.clock import WallClock
from tegar.kernel.errors import AgentRefused

DEADLINE_S = 10.0
LOOK_AGAIN_S = 0.02


def argv(home: Path) -> tuple[str, ...]:
    """Return the command: a master that stays, and a worker that is replaced when settings change."""
    return ("haproxy", "-W", "-f", f"{home}/current/haproxy.cfg")


def try_out(home: Path, files: Path) -> None:
    """Let HAProxy read settings that are not in force yet, with the certificates beside them.

    Raises:
        AgentRefused: it would not take them.
    """
    text = (files / "haproxy.cfg").read_text().replace(f"{home}/current/", f"{files}/")
    said = child.run(("haproxy", "-c", "-q", "-f", "/dev/stdin"), timeout_s=20, what="haproxy", stdin=text)
    if said.code != 0:
        alerts = [line for line in said.err.splitlines() if "ALERT" in line]
        raise AgentRefused("The host", "haproxy -c", alerts[0] if alerts else child.last_words(said.err))


def reload(home: Path, process: Daemon) -> None:
    """Change to the settings in force.

    The new worker takes over the listening sockets and what was known of members; the old one serves its
    connections to their end.

    Raises:
        AgentRefused: no worker had the new settings in time.
    """
    wanted = digest_of((home / "current" / "haproxy.cfg").read_text())
    if _says(home, wanted):
        return
    state = ask(home, "show servers state")
    spare = home / ".haproxy.state"
    spare.write_text(state)
    spare.replace(home / "haproxy.state")
    process.signal(signal.SIGUSR2)
    clock = WallClock()
    deadline_s = clock.mono_s() + DEADLINE_S
    while not _says(home, wanted):
        if clock.mono_s() > deadline_s:
            raise AgentRefused("The host", "haproxy", child.last_words((home / "haproxy.log").read_text()))
        clock.sleep(LOOK_AGAIN_S)


def _says(home: Path, digest: str) -> bool:
    return f"description: {digest}" in ask(home, "show info")


def ask(home: Path, question: str) -> str:
    """Return what the worker answers, empty when it does not."""
    said = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(5.0)
            s.connect(str(home / "haproxy.sock"))
            s.sendall(f"{question}\n".encode())
            while part := s.recv(65536):
                said += part
    except OSError:
        return ""
    return said.decode()
