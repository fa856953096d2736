"""The connection to libvirtd: opened when needed, and again as soon as it was lost; its events.

One thread at a time opens it, and whoever needs it waits a little: a libvirtd that was killed is
there again in a second.  Its end is heard of, so that events of guests are missed no longer than that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import libvirt
import structlog

from tegar.kernel.clock import WallClock
from tegar.kernel.errors import AgentRefused, TegarError, Unavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)
STARTING_S, KNOCK_S = (
    4.0,
    0.1,
)  # a libvirtd that died is there again within so long; how often it is looked for
KEEPALIVE_S, KEEPALIVE_COUNT = 5, 3
_LATER = {
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_RESOURCE_BUSY,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
}  # fmt: skip
_loop_lock = threading.Lock()
_loop_started = False


def _start_event_loop() -> None:
    """Start libvirt's event loop, once in a process and before the first connection."""
    global _loop_started
    with _loop_lock:
        if _loop_started:
            return
        _loop_started = True
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints to stderr otherwise
        libvirt.virEventRegisterDefaultImpl()

        def loop() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=loop, name="libvirt-events", daemon=True).start()


class Connection:
    """One connection, shared by all threads.

    ``on_lifecycle(uuid, event, detail)``, ``on_removed(uuid)`` and ``on_hung(uuid)`` run in libvirt's event thread:
    they must not call libvirt and must not wait.
    """

    def __init__(
        self,
        uri: str,
        on_lifecycle: Callable[[str, int, int], None],
        on_removed: Callable[[str], None],
        on_hung: Callable[[str], None],
        opened: Callable[[str], Any] = libvirt.open,
    ) -> None:
        self._uri, self._opened, self._clock = uri, opened, WallClock()
        self._on_hung = on_hung
        self._on_lifecycle = on_lifecycle
        self._on_removed = on_removed
        self._news = threading.Condition()
        self._conn: Any = None
        self._seeks, self._why = False, ""

    def call(self, what: str, function: Callable[[Any], T]) -> T:
        """Run a function on the connection; once more on a new one when the old one was dead.

        Raises:
            Unavailable: libvirtd does not answer, or says that it is busy.
            AgentRefused: libvirt would not, with its words.
        """
        for last in (False, True):
            conn = self._get()
            try:
                return function(conn)
            except libvirt.libvirtError as e:
                if not self._dead(conn):
                    raise translate(e, what) from e
                if last:
                    raise Unavailable("libvirtd", str(e)) from e
        raise Unavailable("libvirtd", "it does not answer")

    def _get(self) -> Any:
        """Return the connection; while there is none, libvirtd is looked for, and waited for a little.

        Raises:
            Unavailable: it did not come.
        """
        with self._news:
            if self._conn is None:
                self._seek()
                self._news.wait_for(lambda: self._conn is not None, STARTING_S)
            if self._conn is None:
                raise Unavailable("libvirtd", self._why or "it does not answer")
            return self._conn

    def _seek(self) -> None:
        """Let a thread open the connection, unless one does.  To be called with the lock held."""
        if not self._seeks:
            self._seeks = True
            threading.Thread(target=self._open_at_last, name="libvirt-open", daemon=True).start()

    def _open_at_last(self) -> None:
        """Open the connection, however long that takes."""
        _start_event_loop()
        while True:
            try:
                conn = self._open()
            except libvirt.libvirtError as e:
                self._why = str(e)
                self._clock.sleep(KNOCK_S)
                continue
            with self._news:
                self._conn, self._seeks = conn, False
                self._news.notify_all()
            self._dead(conn)  # its end may have been heard of before it was known here
            return

    def _open(self) -> Any:
        conn = self._opened(self._uri)
        with suppress(libvirt.libvirtError):  # a driver inside this process has no keepalive, and needs none
            conn.setKeepAlive(KEEPALIVE_S, KEEPALIVE_COUNT)
        conn.registerCloseCallback(self._closed, None)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._removed, None)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, self._hung, None)
        return conn

    def _dead(self, conn: Any) -> bool:
        """Return whether a connection is of no more use; another is looked for then."""
        try:
            if conn.isAlive() == 1:
                return False
        except libvirt.libvirtError:
            pass
        self._closed(conn, 0, None)
        return True

    def _closed(self, conn: Any, _reason: int, _opaque: object) -> None:
        with self._news:
            if self._conn is conn:
                log.warning("libvirtd is gone; connecting again")
                self._conn = None
                self._seek()

    def _lifecycle(self, _conn: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        self._on_lifecycle(domain.UUIDString(), event, detail)

    def _removed(self, _conn: Any, domain: Any, _device: str, _opaque: object) -> None:
        self._on_removed(domain.UUIDString())

    def _hung(self, _conn: Any, domain: Any, _action: int, _opaque: object) -> None:
        self._on_hung(domain.UUIDString())


def translate(error: libvirt.libvirtError, what: str) -> TegarError:
    """Return our error for libvirt's."""
    words = error.get_error_message() or str(error)
    if error.get_error_code() in _LATER:
        return Unavailable("The hypervisor", words)
    return AgentRefused("The hypervisor", what, words)
