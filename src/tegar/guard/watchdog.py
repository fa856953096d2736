"""Watchdogs: what resets the host when nobody pets it.

The first pet arms.  Nothing disarms but the refusal of a timer that cannot be set: the first pet follows
quiet, and a host whose warden refuses stays quiet.

BMCs: Tegar never speaks IPMI itself, for a pet must not wait for a child process or a slow BMC's answer
to somebody else.  The kernel's ``ipmi_watchdog`` gives a ``/dev/watchdog``; ``ipmi`` names it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tegar.kernel.errors import TegarError

WDIOC_GETSUPPORT = 0x80285700  # _IOR('W', 0, struct watchdog_info): options, firmware, identity
WDIOC_SETTIMEOUT = 0xC0045706  # _IOWR('W', 6, int)
WDIOC_GETTIMEOUT = 0x80045707  # _IOR('W', 7, int)
WDIOC_KEEPALIVE = 0x80045705  # _IOR('W', 5, int)
ANSWER_S = 2.0
CLASS = Path("/sys/class/watchdog")
IPMI = Path("/sys/module/ipmi_watchdog")
IPMI_RESETS = ("reset", "power_cycle", "power_off")
TWO_STAGES = ("iTCO_wdt",)  # resets at the second expiry
SOFTWARE = ("Software Watchdog",)


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

    def __init__(self, path: str, watchdog_s: float, identity: str = "") -> None:
        """Remember what to open, the W (of one stage, in whole seconds) and the name that it must have."""
        if watchdog_s != int(watchdog_s):
            raise NoWatchdog(f"{path} counts whole seconds, not {watchdog_s:g}")
        self._path, self._watchdog_s, self._identity, self._fd = path, int(watchdog_s), identity, -1

    def pet(self) -> None:
        """Pet; the first time open, set W and read it back."""
        if self._fd < 0:
            self._arm()
        fcntl.ioctl(self._fd, WDIOC_KEEPALIVE, struct.pack("i", 0))

    def _arm(self) -> None:
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as e:
            raise NoWatchdog(f"{self._path}: {e.strerror}") from e
        why = self._set(fd)
        if why:
            with suppress(OSError):
                os.write(fd, b"V")  # the kernel's word for: disarm when I close
            os.close(fd)
            raise NoWatchdog(f"{self._path}: {why}")
        self._fd = fd

    def _set(self, fd: int) -> str:
        """Set W; return why not."""
        try:
            if self._identity:
                info = fcntl.ioctl(fd, WDIOC_GETSUPPORT, bytes(40))
                name = info[8:].rstrip(b"\0").decode(errors="replace")
                if self._identity not in name:
                    return f"it is {name!r} and not {self._identity}"
            fcntl.ioctl(fd, WDIOC_SETTIMEOUT, struct.pack("i", self._watchdog_s))
            got = struct.unpack("i", fcntl.ioctl(fd, WDIOC_GETTIMEOUT, struct.pack("i", 0)))[0]
        except OSError as e:
            return e.strerror or str(e)
        return "" if got == self._watchdog_s else f"it takes {got} s where {self._watchdog_s} s was asked for"


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


@dataclass(frozen=True)
class About:
    """What can be known of a watchdog without opening it.

    ``what`` names it for people, ``stages`` is how often it expires before it resets.
    """

    what: str
    stages: int = 1
    lacking: tuple[str, ...] = ()


def watchdog(where: str, watchdog_s: float) -> Watchdog:
    """Return the watchdog that a configuration names: a device, ``ipmi``, ``lab:PATH``, or nothing.

    Raises:
        NoWatchdog: it can be known beforehand that it will not do.
    """
    if where.startswith("lab:"):
        return LabWatchdog(where.removeprefix("lab:"), watchdog_s)
    if where == "ipmi":
        if why := _no_ipmi(IPMI):
            raise NoWatchdog(why)
        return DeviceWatchdog("/dev/watchdog", watchdog_s, "IPMI")
    if where:
        return DeviceWatchdog(where, watchdog_s)
    return NullWatchdog()


def about(where: str) -> About:
    """Return what is known of the watchdog that a configuration names."""
    if where == "ipmi":
        why = _no_ipmi(IPMI)
        return About("IPMI", lacking=(why,) if why else ())
    if not where or where.startswith("lab:"):
        return About(where or "none", lacking=() if where else ("no watchdog is configured",))
    if not os.path.exists(where):
        return About(where, lacking=(f"{where} is not there",))
    name = _identity(Path(os.path.realpath(where)).name, CLASS)
    soft = (f"{where} is {name}: it resets nothing when the kernel hangs",) if name in SOFTWARE else ()
    return About(f"{where} ({name})" if name else where, 2 if name in TWO_STAGES else 1, soft)


def _identity(device: str, folder: Path) -> str:
    """Return the name that the kernel knows a device by; ``/dev/watchdog`` is the first."""
    try:
        return (folder / ("watchdog0" if device == "watchdog" else device) / "identity").read_text().strip()
    except OSError:
        return ""


def _no_ipmi(module: Path) -> str:
    """Return why the BMC's timer cannot be used, empty when it can."""
    try:
        action = (module / "parameters" / "action").read_text().strip()
    except OSError:
        return "the kernel's ipmi_watchdog is not loaded"
    return (
        ""
        if action in IPMI_RESETS
        else f"ipmi_watchdog was loaded with action={action}, which resets nothing"
    )
