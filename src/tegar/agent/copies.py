"""The QEMU processes of this host: found by their sockets, known by process, never by libvirt.

A copy is gone only when its *process* is gone: a socket's file may be deleted by anybody who is the
user that QEMU runs as.  Marks of the copies live in memory file systems and die with the boot.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from tegar.agent.qmp import Answer, Event, Qmp, QmpFailed
from tegar.kernel.clock import WallClock
from tegar.wire.boot import start_time

STALE_S = 1.0
Then = Callable[[Answer], None]
log = structlog.get_logger(__name__)


@dataclass
class Mark:
    """What a restarted agent must know of a copy."""

    pid: int
    started: str
    admitted: bool = False  # it went through the gate, or ran before there was one
    frozen: bool = False  # the hands stopped the process itself


class Copy:
    """One QEMU process."""

    def __init__(self, uuid: str, mark: Mark, folder: Path) -> None:
        """Take the process whose mark is read or about to be written.

        Raises:
            ProcessLookupError: it is gone.
        """
        self.uuid, self.mark, self._file = uuid, mark, folder / f"{uuid}.json"
        self.qmp: Qmp | None = None
        self.quiet = False  # paused and drained since the latest order
        self.held = False  # to be looked at, for the gate was opened
        self._then: deque[tuple[int, Then]] = deque()
        self.pidfd = os.pidfd_open(mark.pid)
        if start_time(mark.pid) != mark.started:
            os.close(self.pidfd)
            raise ProcessLookupError(mark.pid)

    @property
    def busy(self) -> bool:
        """Whether answers are outstanding."""
        return bool(self._then)

    def keep(self, *, admitted: bool | None = None, frozen: bool | None = None) -> None:
        """Change the mark and write it, whole or not at all."""
        self.mark.admitted = self.mark.admitted if admitted is None else admitted
        self.mark.frozen = self.mark.frozen if frozen is None else frozen
        spare = self._file.with_suffix(".new")
        spare.write_text(json.dumps(asdict(self.mark)))
        spare.replace(self._file)

    def ask(self, command: str, then: Then) -> None:
        """Send a command; its answer goes to *then*.  Without a connection nothing is sent."""
        if self.qmp is None:
            return
        try:
            self._then.append((self.qmp.send(command), then))
        except QmpFailed as e:
            self.hang_up(str(e))

    def hear(self) -> list[Event]:
        """Hand out the answers that came; return the events."""
        events: list[Event] = []
        try:
            said = self.qmp.receive() if self.qmp else []
        except QmpFailed as e:
            self.hang_up(str(e))
            return []
        for it in said:
            if isinstance(it, Event):
                events.append(it)
            elif self._then and self._then[0][0] == it.number:
                self._then.popleft()[1](it)
        return events

    def hang_up(self, why: str) -> None:
        """Give the connection up; nobody hears the answers that are outstanding."""
        log.info("QEMU's control socket is lost", uuid=self.uuid, why=why)
        if self.qmp is not None:
            self.qmp.close()
        self.qmp, self.quiet = None, False
        self._then.clear()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def is_stopped(self) -> bool:
        """Return whether the kernel does not run the process."""
        with suppress(OSError):
            return Path(f"/proc/{self.mark.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def is_gone(self) -> bool:
        """Return whether the process has ended, with all its files closed."""
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def close(self) -> None:
        """Forget the copy."""
        if self.qmp is not None:
            self.qmp.close()
            self.qmp = None
        os.close(self.pidfd)
        self._file.unlink(missing_ok=True)


class Copies:
    """All of them.

    Args:
        sockets: where QEMU makes ``UUID.sock``.
        marks: where we keep what must be known after a restart of the agent.
    """

    def __init__(self, sockets: Path, marks: Path) -> None:
        self._sockets, self._marks = sockets, marks
        self.strangers: frozenset[str] = frozenset()  # of whom there is a socket, and no connection to be had
        self.known: dict[str, Copy] = {}
        for file in marks.glob("*.json"):
            try:
                mark = Mark(**json.loads(file.read_text()))
                self.known[file.stem] = Copy(file.stem, mark, marks)
            except (ValueError, TypeError, OSError):
                file.unlink(missing_ok=True)

    def scan(self) -> list[Copy]:
        """Connect to every socket that has no connection; return the copies not known before."""
        found: list[Copy] = []
        strangers: set[str] = set()
        for file in self._sockets.glob("*.sock"):
            known = self.known.get(file.stem)
            if known is not None and known.qmp is not None:
                continue
            try:
                copy = self._meet(file.stem, Qmp(file))
            except QmpFailed as e:
                if isinstance(e.__cause__, ConnectionRefusedError) and _is_stale(file):
                    file.unlink(missing_ok=True)
                else:
                    strangers.add(file.stem)
                continue
            if copy is None:
                strangers.add(file.stem)
            elif copy is not known:
                found.append(copy)
        self.strangers = frozenset(strangers)
        return found

    def _meet(self, uuid: str, qmp: Qmp) -> Copy | None:
        """Give a connection to the copy that it belongs to, which may be new; None: to no copy we can have.

        Two processes of one VM: the first must be gone before the second counts.
        """
        pid, copy = qmp.pid(), self.known.get(uuid)
        try:
            if copy is None:
                copy = Copy(uuid, Mark(pid, start_time(pid)), self._marks)
                copy.keep()
        except OSError:
            copy = None
        if copy is None or copy.mark.pid != pid:
            qmp.close()
            return None
        copy.qmp = qmp
        self.known[uuid] = copy
        return copy

    def forget_gone(self) -> list[str]:
        """Forget the copies whose process has ended; return their uuids."""
        gone = [copy for copy in self.known.values() if copy.is_gone()]
        for copy in gone:
            del self.known[copy.uuid]
            copy.close()
            (self._sockets / f"{copy.uuid}.sock").unlink(missing_ok=True)
        return [copy.uuid for copy in gone]


def _is_stale(file: Path) -> bool:
    """Return whether nobody will listen there any more; between its making and that, nobody does either."""
    with suppress(OSError):
        return WallClock().now_s() - file.stat().st_mtime > STALE_S
    return False
