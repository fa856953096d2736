"""The connection to libvirtd: waited for while it starts, opened again as soon as it is lost."""

from __future__ import annotations

import threading
from typing import Any

import libvirt
import pytest

from support.until import until
from tegar.agent.libvirt import connection
from tegar.agent.libvirt.connection import Connection
from tegar.kernel.errors import Unavailable

TEST_DRIVER = "test:///default"


class Daemon:
    """A libvirtd that is there or not; each connection can be closed like by its end."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.opened: list[_Closable] = []

    def open(self, uri: str) -> Any:
        if not self.there.is_set():
            return libvirt.open("qemu+unix:///system?socket=/nowhere")  # raises as without libvirtd
        self.opened.append(_Closable(libvirt.open(uri)))
        return self.opened[-1]

    def die(self) -> None:
        self.there.clear()
        self.opened[-1].die()


class _Closable:
    """A connection of libvirt's own test driver, which never ends by itself."""

    def __init__(self, conn: Any) -> None:
        self._conn, self._alive = conn, True
        self._closed: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    def registerCloseCallback(self, closed: Any, opaque: object) -> None:
        self._closed = closed

    def isAlive(self) -> int:
        return int(self._alive)

    def die(self) -> None:
        self._alive = False
        self._closed(self, libvirt.VIR_CONNECT_CLOSE_REASON_EOF, None)


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def link(daemon: Daemon) -> Connection:
    return Connection(TEST_DRIVER, lambda *_: None, lambda _: None, lambda _: None, daemon.open)


def domains(link: Connection) -> int:
    return link.call("ListDomains", lambda conn: len(conn.listAllDomains(0)))


def test_a_question_waits_for_a_libvirtd_that_starts(daemon: Daemon, link: Connection) -> None:
    later = threading.Timer(0.5, daemon.there.set)
    later.start()

    assert domains(link) == 1


def test_a_libvirtd_that_does_not_come_is_unavailable(
    daemon: Daemon, link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STARTING_S", 0.2)

    with pytest.raises(Unavailable):
        domains(link)
    daemon.there.set()  # which ends the search


def test_a_lost_connection_is_opened_again_though_nobody_asks(daemon: Daemon, link: Connection) -> None:
    daemon.there.set()
    assert domains(link) == 1

    daemon.die()
    daemon.there.set()

    until(lambda: len(daemon.opened) == 2, "it is opened again")
    assert domains(link) == 1
