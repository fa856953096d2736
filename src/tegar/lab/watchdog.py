"""A lab host's watchdog: outside of the host, deaf to everything but pets, merciless when they stop.

It is started by file name with the host's power, needs only the standard library, and speaks one
line a word over the stream socket ``var/watchdog.sock`` in the host's directory, which the host
sees as ``/var/lib/tegar/watchdog.sock``:

``arm SECONDS``  the first one starts the timer; the answer is the same line.  Later ones change
                 nothing: the answer says which time is set, so asking for another is refused.
``pet``          starts the timer again; no answer.

As with a real timer nothing disarms it: no closed connection, no new one, no end of the program
that pets.  When it runs out the host's power is cut, and the host boots again, unless the file
``stays-off`` lies in its directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SOCKET = "watchdog.sock"
LOG = "watchdog.jsonl"
STAYS_OFF = "stays-off"
INIT_PID = "TEGAR_LAB_INIT_PID"
LONGEST_LINE_BYTES = 100
MCL_CURRENT_AND_FUTURE = 3
PRIORITY = 90


class Timer:
    """The timer itself: armed once, never disarmed."""

    def __init__(self) -> None:
        """Begin unarmed."""
        self.watchdog_s = 0.0
        self.fires_s: float | None = None

    def hear(self, now_s: float, line: bytes) -> bytes:
        """Take one line and return the answer, empty for none."""
        if line == b"pet":
            if self.fires_s is not None:
                self.fires_s = now_s + self.watchdog_s
            return b""
        verb, _, seconds = line.partition(b" ")
        if verb != b"arm":
            return b"what\n"
        if self.fires_s is None:
            try:
                wanted_s = float(seconds)
            except ValueError:
                return b"what\n"
            if not 0 < wanted_s < 3600:
                return b"what\n"
            self.watchdog_s, self.fires_s = wanted_s, now_s + wanted_s
        return f"arm {self.watchdog_s:g}\n".encode()

    def left_s(self, now_s: float) -> float | None:
        """Return how long until it fires, None while it is unarmed."""
        return None if self.fires_s is None else max(0.0, self.fires_s - now_s)


def now_s() -> float:
    """Return the time that counts suspensions of the machine, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def steady() -> list[str]:
    """Ask for memory and processor whenever they are needed; return what was not allowed.

    Children do not inherit the priority: the host's next boot must not run before everything else.
    """
    lacking = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        lacking.append(f"mlockall: {os.strerror(ctypes.get_errno())}")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as e:
        lacking.append(f"SCHED_FIFO: {e.strerror}")
    gc.collect()
    gc.freeze()
    gc.disable()
    return lacking


def keep_time(timer: Timer, listener: socket.socket, host: int) -> bool:
    """Serve until the timer fires (True) or the host, behind the pidfd *host*, loses its power (False).

    A pet that is read only after the time is over does not count: late is late.
    """
    partial: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as events:
        events.register(listener, selectors.EVENT_READ)
        events.register(host, selectors.EVENT_READ)
        while True:
            for key, _ in events.select(timer.left_s(now_s())):
                if timer.left_s(now_s()) == 0.0:
                    return True
                if key.fileobj == host:
                    return False
                if key.fileobj is listener:
                    peer, _ = listener.accept()
                    peer.setblocking(False)
                    events.register(peer, selectors.EVENT_READ)
                    partial[peer] = b""
                elif isinstance(key.fileobj, socket.socket) and not _hear(timer, key.fileobj, partial):
                    events.unregister(key.fileobj)
                    del partial[key.fileobj]
                    key.fileobj.close()
            if timer.left_s(now_s()) == 0.0:
                return True


def _hear(timer: Timer, peer: socket.socket, partial: dict[socket.socket, bytes]) -> bool:
    """Read what a peer says; return whether it is still there."""
    try:
        data = peer.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        return False
    *lines, rest = (partial[peer] + data).split(b"\n")
    partial[peer] = rest
    with contextlib.suppress(OSError):  # a peer that does not read its answers gets none
        for line in lines:
            if answer := timer.hear(now_s(), line):
                peer.sendall(answer)
    return bool(data) and len(rest) < LONGEST_LINE_BYTES


def _listen(home: int) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"var/{SOCKET}", dir_fd=home)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    spare = f"/proc/self/fd/{home}/var/{SOCKET}.new"  # short, however long the real path
    with contextlib.suppress(FileNotFoundError):
        os.unlink(spare)
    listener.bind(spare)
    os.chmod(spare, 0o600)
    listener.listen(16)
    os.rename(f"var/{SOCKET}.new", f"var/{SOCKET}", src_dir_fd=home, dst_dir_fd=home)  # seen: it listens
    return listener


def _note(home: int, what: str, **facts: object) -> None:
    line = json.dumps({"at_s": now_s(), "wall_s": time.time(), "what": what, **facts}) + "\n"
    handle = os.open(f"log/{LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644, dir_fd=home)
    os.write(handle, line.encode())
    os.close(handle)


def main(argv: Sequence[str]) -> None:
    """Guard the host whose directory is the last word: ``watchdog.py PREFIX NAME DIRECTORY``."""
    _, _, directory = argv
    try:
        host = os.pidfd_open(int(os.environ[INIT_PID]))
    except ProcessLookupError:
        return
    home = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    os.chdir("/")
    timer, listener = Timer(), _listen(home)
    _note(home, "ready", lacking=steady())
    if not keep_time(timer, listener, host):
        return
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(host, signal.SIGKILL)
    _note(home, "fired", watchdog_s=timer.watchdog_s, late_s=round(now_s() - (timer.fires_s or 0.0), 4))
    with selectors.DefaultSelector() as events:  # readable once all in the host has ended
        events.register(host, selectors.EVENT_READ)
        events.select(30)
    if not (Path(directory) / STAYS_OFF).exists():
        _boot_again(argv, home)


def _boot_again(argv: Sequence[str], home: int) -> None:
    log = os.open("log/boot.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644, dir_fd=home)
    words = [sys.executable, "-m", "tegar.lab.boot", *argv]
    environment = {name: value for name, value in os.environ.items() if name != INIT_PID}
    subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
    )


if __name__ == "__main__":
    main(sys.argv[1:])
