"""What both processes, warden and witness, have in common: their sockets, and steadiness."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
from contextlib import suppress
from typing import Any

from tegar.guard.datagram import LONGEST_BYTES

MCL_CURRENT_AND_FUTURE = 3
PRIORITY = 50
BATCH = 256
Address = tuple[str, int]


def steady() -> list[str]:
    """Lock memory, take real-time priority, stop the garbage collector; return what was not allowed."""
    lacking = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        lacking.append(f"mlockall: {os.strerror(ctypes.get_errno())}")
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as e:
        lacking.append(f"SCHED_RR: {e.strerror}")
    gc.collect()
    gc.freeze()
    gc.disable()
    return lacking


def udp(listen: Address) -> socket.socket:
    """Return a socket that waits for nothing."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(tuple(listen))
    made.setblocking(False)
    return made


def drain(door: socket.socket) -> list[tuple[bytes, Any]]:
    """Return what has come, at most a batch, without waiting."""
    came: list[tuple[bytes, Any]] = []
    with suppress(OSError):
        while len(came) < BATCH:
            came.append(door.recvfrom(LONGEST_BYTES + 1))
    return came
