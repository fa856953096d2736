"""The connection to libvirtd: opened when needed, reopened when libvirtd was restarted; its events."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt
import structlog

from tegar.kernel.errors import AgentRefused, TegarError, Unavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)
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
    ) -> None:
        self._uri = uri
        self._on_hung = on_hung
        self._on_lifecycle = on_lifecycle
        self._on_removed = on_removed
        self._lock = threading.Lock()
        self._conn: Any = None

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
                log.warning("libvirtd was restarted; connecting again", why=str(e))
        raise Unavailable("libvirtd", "it does not answer")

    def _get(self) -> Any:
        with self._lock:
            if self._conn is None:
                self._conn = self._open()
            return self._conn

    def _open(self) -> Any:
        _start_event_loop()
        try:
            conn = libvirt.open(self._uri)
            conn.setKeepAlive(5, 3)
            conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
            conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._removed, None)
            conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, self._hung, None)
        except libvirt.libvirtError as e:
            raise Unavailable("libvirtd", str(e)) from e
        return conn

    def _dead(self, conn: Any) -> bool:
        """Return whether a connection is of no more use; forget it then."""
        try:
            if conn.isAlive() == 1:
                return False
        except libvirt.libvirtError:
            pass
        with self._lock:
            if self._conn is conn:
                self._conn = None
        return True

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
