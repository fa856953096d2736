"""QEMU's control socket: one command after the other, answers in their order, and events between them.

QEMU serves one client at a time and reads commands that were sent before it was ready, so nothing
here has to wait for its greeting: a command is *sent*, and what came is *received*, both without
waiting.  :meth:`Qmp.execute` waits, for those who have time.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tegar.kernel.errors import TegarError

LONGEST_BYTES = 4 << 20  # of one message
_CREDENTIALS = struct.Struct("3i")


@dataclass(eq=False)
class QmpFailed(TegarError):
    """QEMU does not speak (any more), or answered with an error."""

    says = "QEMU: {why}"

    why: str


@dataclass(frozen=True)
class Answer:
    """What QEMU said to the command of that number; ``error`` is empty when it did it."""

    number: int
    value: Any = None
    error: str = ""


@dataclass(frozen=True)
class Event:
    """What QEMU said by itself, such as ``STOP`` or ``RESUME``."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)


class Qmp:
    """A connection."""

    def __init__(self, path: Path) -> None:
        """Connect, and ask for the command mode.

        Raises:
            QmpFailed: nobody listens there, or too many wait to be served.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._number, self._rest = 0, b""
        try:
            self._socket.connect(str(path))
            self.send("qmp_capabilities")
        except OSError as e:
            self._socket.close()
            raise QmpFailed(f"{path}: {e.strerror}") from e

    def fileno(self) -> int:
        """Return the socket's number, for ``select``."""
        return self._socket.fileno()

    def pid(self) -> int:
        """Return the process that listens there, as the kernel knows it."""
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(raw)[0])

    def send(self, command: str, **arguments: object) -> int:
        """Send a command; return its number.

        Raises:
            QmpFailed: the connection is gone, or QEMU has not read for very long.
        """
        self._number += 1
        message: dict[str, object] = {"execute": command, "id": self._number}
        if arguments:
            message["arguments"] = arguments
        data = json.dumps(message).encode() + b"\n"
        try:
            if self._socket.send(data) != len(data):
                raise QmpFailed("it does not read what it is sent")
        except OSError as e:
            raise QmpFailed(e.strerror or "it does not read") from e
        return self._number

    def receive(self) -> list[Answer | Event]:
        """Return what came, without waiting.

        Raises:
            QmpFailed: the connection ended, or what came is no QMP.
        """
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError as e:
            raise QmpFailed(e.strerror or "the connection failed") from e
        if not data or len(self._rest) > LONGEST_BYTES:
            raise QmpFailed("the connection ended" if not data else "a message has no end")
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [said for line in lines if line.strip() for said in _read(line)]

    def execute(self, command: str, *, timeout_s: float, **arguments: object) -> Any:
        """Send a command and wait for its answer; events meanwhile are ignored.

        Raises:
            QmpFailed: no answer within *timeout_s* seconds, or an error.
        """
        number, deadline_s = self.send(command, **arguments), time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left_s)[0]:
                for said in self.receive():
                    if isinstance(said, Answer) and said.number == number:
                        if said.error:
                            raise QmpFailed(said.error)
                        return said.value
        raise QmpFailed(f"no answer to {command} within {timeout_s:g} s")

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        self._socket.close()


def _read(line: bytes) -> list[Answer | Event]:
    try:
        said = json.loads(line)
        if "event" in said:
            return [Event(str(said["event"]), said.get("data") or {})]
        if "error" in said:
            return [Answer(int(said.get("id", 0)), error=str(said["error"]["desc"]))]
        return [Answer(int(said["id"]), said["return"])] if "return" in said else []
    except (ValueError, TypeError, KeyError) as e:
        raise QmpFailed(f"it said {line[:80]!r}") from e
