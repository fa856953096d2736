"""Watchdogs: what resets the host when nobody pets it.  The first pet arms; nothing here disarms."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

from tegar.kernel.errors import TegarError

WDIOC_SETTIMEOUT = 0xC0045706  # _IOWR('W', 6, int)
WDIOC_GETTIMEOUT = 0x80045707  # _IOR('W', 7, int)
WDIOC_KEEPALIVE = 0x80045705  # _IOR('W', 5, int)
ANSWER_S = 2.0


@dataclass(eq=False)
class NoWatchdog(TegarError):
    """The host has no timer that would reset it, so it must not carry guests that may move."""

    says = "No usable watchdog: {why}"

    why: str


class Watchdog(Protocol):
    """A timer that resets the host, whatever its software does."""

    def pet(self) -> None:
        """Start the timer again; the first time, arm it.

        Raises:
            NoWatchdog: it cannot be armed, or not with the time that was asked for.
        """
        ...


class DeviceWatchdog:
    """``/dev/watchdog``.  Opening it arms and pets it: so it is opened by the first pet."""

    def __init__(self, path: str, watchdog_s: float) -> None:
        """Remember what to open and the W (of one stage) that it must have, in whole seconds."""
        if watchdog_s != int(watchdog_s):
            raise NoWatchdog(f"{path} counts whole seconds, not {watchdog_s:g}")
        self._path, self._watchdog_s, self._fd = path, int(watchdog_s), -1

    def pet(self) -> None:
        """Pet; the first time open, set W and read it back."""
        if self._fd < 0:
            self._arm()
        fcntl.ioctl(self._fd, WDIOC_KEEPALIVE, struct.pack("i", 0))

    def _arm(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            fcntl.ioctl(self._fd, WDIOC_SETTIMEOUT, struct.pack("i", self._watchdog_s))
            got = struct.unpack("i", fcntl.ioctl(self._fd, WDIOC_GETTIMEOUT, struct.pack("i", 0)))[0]
        except OSError as e:
            raise NoWatchdog(f"{self._path}: {e.strerror}") from e
        if got != self._watchdog_s:
            raise NoWatchdog(f"{self._path} takes {got} s where {self._watchdog_s} s was asked for")


class LabWatchdog:
    """The lab's supervisor, over a Unix stream: ``arm SECONDS`` is echoed, ``pet`` is not answered."""

    def __init__(self, path: str, watchdog_s: float) -> None:
        """Remember where the supervisor listens."""
        self._path, self._watchdog_s = path, watchdog_s
        self._socket: socket.socket | None = None

    def pet(self) -> None:
        """Pet; the first time connect, and read back W."""
        try:
            if self._socket is None:
                self._socket = self._arm()
            self._socket.sendall(b"pet\n")
        except OSError as e:
            raise NoWatchdog(f"{self._path}: {e}") from e

    def _arm(self) -> socket.socket:
        want = f"arm {self._watchdog_s:g}\n".encode()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(ANSWER_S)
        connection.connect(self._path)
        connection.sendall(want)
        with connection.makefile("rb") as lines:
            got = lines.readline(100)
        if got != want:
            connection.close()
            raise NoWatchdog(f"the supervisor answered {got!r} to {want!r}")
        return connection


class NullWatchdog:
    """A host without one: it refuses, so no lease begins there and no guest that may move runs."""

    def pet(self) -> None:
        """Refuse."""
        raise NoWatchdog("none is configured")


def watchdog(where: str, watchdog_s: float) -> Watchdog:
    """Return the watchdog that a configuration names: a device, ``lab:PATH``, or nothing."""
    if where.startswith("lab:"):
        return LabWatchdog(where.removeprefix("lab:"), watchdog_s)
    if where:
        return DeviceWatchdog(where, watchdog_s)
    return NullWatchdog()
