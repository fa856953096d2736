"""Who holds an address: the namespaces of routers, asked by netlink fifty times a second, from outside.

Nobody is asked what it believes to be; an address is held by whoever's kernel would answer for it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PERIOD_S = 0.02
PLACES_EVERY_S = 0.25
_NEW_NETWORK = 0x40000000
_GET_ADDRESSES, _NEW_ADDRESS, _DONE, _ERROR = 22, 20, 3, 2
_DUMP = 0x301
_LOCAL = 2
_HEADER, _ADDRESS, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_libc = ctypes.CDLL(None, use_errno=True)

Places = Callable[[], Mapping[str, Path]]


@dataclass(frozen=True)
class Sample:
    """Who held what between two looks; times in seconds since 1970."""

    from_s: float
    to_s: float
    holders: tuple[str, ...]
    shared: bool  # one and the same address was held by two


class Holders:
    """Watches; read ``samples`` at any time."""

    def __init__(self, places: Places, watched: Collection[str]) -> None:
        """Watch addresses from :meth:`start` on; *places* gives the routers' namespaces by the names of hosts."""
        self._places, self._watched = places, frozenset(watched)
        self._doors: dict[str, tuple[tuple[str, int], socket.socket]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="holders")
        self.samples: list[Sample] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def now(self) -> tuple[str, ...]:
        """Return on which hosts the addresses are, as seen last."""
        return self.samples[-1].holders if self.samples else ()

    def first_after(self, at_s: float, but: str) -> float | None:
        """Return when another host than one held an address first after a moment."""
        return next((s.to_s for s in list(self.samples) if s.to_s > at_s and set(s.holders) - {but}), None)

    def _run(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        places, looked_s, before_s = self._places(), time.monotonic(), time.time()
        try:
            while not self._stop.wait(PERIOD_S):
                if time.monotonic() - looked_s > PLACES_EVERY_S:
                    places, looked_s = self._places(), time.monotonic()
                held = {host: self._held(host, path, home) for host, path in places.items()}
                now_s = time.time()
                self.samples.append(sample(before_s, now_s, held))
                before_s = now_s
        finally:
            for _, door in self._doors.values():
                door.close()
            os.close(home)

    def _held(self, host: str, path: Path, home: int) -> frozenset[str]:
        """Return which of the watched addresses are in a namespace; none when it is not there."""
        try:
            key = str(path), path.stat().st_ino
            if host not in self._doors or self._doors[host][0] != key:
                if host in self._doors:
                    self._doors.pop(host)[1].close()
                self._doors[host] = key, _door(path, home)
            return self._watched & set(addresses(self._doors[host][1]))
        except OSError:
            if host in self._doors:
                self._doors.pop(host)[1].close()
            return frozenset()


def sample(from_s: float, to_s: float, held: Mapping[str, frozenset[str]]) -> Sample:
    """Return what one look shows."""
    having = sorted(host for host, ips in held.items() if ips)
    shared = any(held[a] & held[b] for a in having for b in having if a < b)
    return Sample(from_s, to_s, tuple(having), shared)


def longest_shared_s(samples: Sequence[Sample]) -> float:
    """Return the longest time for which two held the same address, at the most: up to the looks before and after."""
    longest, began_s = 0.0, None
    for one in samples:
        if one.shared:
            began_s = one.from_s if began_s is None else began_s
        elif began_s is not None:
            longest, began_s = max(longest, one.to_s - began_s), None
    return max(longest, samples[-1].to_s - began_s) if began_s is not None else longest


def _door(path: Path, home: int) -> socket.socket:
    """Return a socket that stays in another network namespace; this thread comes back."""
    there = os.open(path, os.O_RDONLY)
    try:
        _enter(there)
        try:
            door = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        finally:
            _enter(home)
    finally:
        os.close(there)
    door.settimeout(1.0)
    return door


def _enter(space: int) -> None:
    if _libc.setns(space, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def addresses(door: socket.socket) -> Iterator[str]:
    """Return all IPv4 addresses of the namespace that a netlink socket is in."""
    body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
    door.send(_HEADER.pack(_HEADER.size + len(body), _GET_ADDRESSES, _DUMP, 0, 0) + body)
    while True:
        data = door.recv(1 << 16)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind in (_DONE, _ERROR):
                return
            if kind == _NEW_ADDRESS:
                yield from _locals(data[_HEADER.size + _ADDRESS.size : length])
            data = data[(length + 3) & ~3 :]


def _locals(data: bytes) -> Iterator[str]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if kind == _LOCAL:
            with suppress(OSError):
                yield socket.inet_ntoa(data[_ATTRIBUTE.size : length])
        data = data[(max(length, _ATTRIBUTE.size) + 3) & ~3 :]
