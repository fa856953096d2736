"""Processes that outlive the agent: started as daemons, found again by pid and start time."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tegar.agent import child
from tegar.kernel.errors import AgentRefused
from tegar.wire.boot import start_time

START_DEADLINE_S = 10.0


class Daemon:
    """One process of a router, remembered in a file as ``pid start-time``."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pid(self) -> int:
        """Return the pid, 0 when it does not run; another process with the same pid does not count."""
        try:
            pid, started = self._file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if start_time(int(pid)) == started else 0

    def spawn(self, argv: Sequence[str], log: Path, ready: str) -> None:
        """Start it in a session of its own, so that it lives on when the agent ends.

        Args:
            argv: the program and its arguments.
            log: where its words go.
            ready: what it says once it serves.

        Raises:
            AgentRefused: it ended, or was not ready in time; its last words are the reason.
        """
        self.stop()
        with log.open("wb") as out:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                cwd="/", env=child.environment(),
            )  # fmt: skip
        self._file.write_text(f"{process.pid} {start_time(process.pid)}\n")
        handle = os.pidfd_open(process.pid)
        child.adopt(process)
        try:
            deadline = time.monotonic() + START_DEADLINE_S
            while ready not in log.read_text(errors="replace"):
                if _ended(handle, 0.02) or time.monotonic() > deadline:
                    raise AgentRefused(
                        "The host", argv[-1], child.last_words(log.read_text(errors="replace"))
                    )
        finally:
            os.close(handle)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; return whether there was somebody."""
        pid = self.pid()
        if pid:
            os.kill(pid, number)
        return bool(pid)

    def stop(self) -> None:
        """End it and wait until it is gone."""
        pid = self.pid()
        if pid:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            try:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    signal.pidfd_send_signal(handle, number)
                    if _ended(handle, 3.0):
                        break
            except ProcessLookupError:
                pass
            finally:
                os.close(handle)
        self._file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it and its children at once, before any of them can tidy up."""
        pid = self.pid()
        try:
            if self.signal(signal.SIGSTOP):  # so that it brings up no other child
                for child_pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    os.kill(int(child_pid), signal.SIGKILL)
                self.signal(signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            pass  # it ended by itself
        self.stop()


def _ended(handle: int, timeout_s: float) -> bool:
    """Wait until the process behind a pidfd has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
