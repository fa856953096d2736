"""Domains by libvirt: the Hypervisor port.

Transient domains only, so that a host that boots runs nothing; made paused and arriving paused, for
only the hands let guests run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import structlog

from tegar.agent import xml
from tegar.agent.libvirt.connection import Connection
from tegar.agent.libvirt.lives import Lives
from tegar.agent.libvirt.pulse import Pulses
from tegar.agent.places import DiskSource
from tegar.agent.report import Hung, Stopped
from tegar.agent.segment.plan import Segment
from tegar.agent.xml import Options
from tegar.kernel.errors import AgentRefused, TegarError, Unavailable
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec
from tegar.wire.virt import AllStats, Domain, DomainState, DomainStats, Ended, GuestPulse

log = structlog.get_logger(__name__)
PRESS_AGAIN_S = 15.0  # a guest that was still booting did not see the power button
DETACH_DEADLINE_S = 40.0
MIGRATE_DEADLINE_S = 1800.0
_GONE = (libvirt.VIR_ERR_NO_DOMAIN,)
_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainState.SHUTDOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: DomainState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: DomainState.CRASHED,
}
_MIGRATION = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_AUTO_CONVERGE
    | libvirt.VIR_MIGRATE_PAUSED
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    | libvirt.VIR_MIGRATE_UNSAFE  # libvirt cannot know that the operator's directory is shared; the pool's kind says so
)
_STATS = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)


class Libvirt:
    """The Hypervisor port."""

    def __init__(
        self,
        *,
        options: Options,
        source: Callable[[DiskSpec], DiskSource],
        segment: Callable[[NetworkSpec], Segment],
        on_news: Callable[[Stopped | Hung], None],
        ours_to_end: Callable[[str], bool],
        uri: str = "qemu:///system",
        migration_uri: str = "qemu+tcp://{to}/system",
    ) -> None:
        self._options = options
        self._source, self._segment = source, segment
        self._migration_uri = migration_uri
        self._lives, self._pulses = Lives(on_news, ours_to_end), Pulses()
        self._link = Connection(
            uri, self._lives.lifecycle, self._lives.removed, lambda uuid: on_news(Hung(uuid))
        )

    def version(self) -> str:
        """Return the version of QEMU."""
        number = int(self._link.call("version", lambda conn: conn.getVersion()))
        return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"

    def find(self, uuid: str) -> Domain | None:
        """Return the domain."""
        found: Domain | None = self._with(uuid, _domain)
        return found

    def vnc_port(self, uuid: str) -> int:
        """Return the port of the domain's display."""
        return self._with(uuid, _vnc_port) or 0

    def all(self) -> tuple[Domain, ...]:
        """Return all of Tegar's domains; the metadata of each says whether it is one."""

        def look(conn: Any) -> tuple[Domain, ...]:
            found = []
            for handle in conn.listAllDomains(0):
                domain = (
                    _present(_domain, handle) if self._lives.is_ours(handle.UUIDString(), handle) else None
                )
                if domain:
                    found.append(domain)
            return tuple(found)

        return self._link.call("ListDomains", look)

    def ended(self) -> tuple[Ended, ...]:
        """Return the domains that ended by themselves lately."""
        return self._lives.ended()

    def learn_emulators(self) -> None:
        """Let libvirt look at the emulator without locks before a start has to wait for that."""
        kind = "kvm" if self._options.accel == "kvm" else "qemu"

        def look(conn: Any) -> str:
            return str(conn.getDomainCapabilities(self._options.unlocked, "x86_64", "pc", kind, 0))

        try:
            self._link.call("capabilities", look)
        except TegarError as e:
            log.warning("the emulator without locks cannot be used", why=str(e))

    def create(self, spec: DomainSpec, *, unlocked: bool = False) -> int:
        """Make a transient domain, paused."""
        sources = {disk.volume_uuid: self._source(disk) for disk in spec.disks}
        segments = {nic.network: self._segment(nic.network) for nic in spec.nics}

        def text() -> str:
            return xml.domain_xml(spec, sources, segments, self._options, unlocked=unlocked)

        try:
            return self._create(spec, text())
        except AgentRefused as e:
            if not self._options.shares or "CPU tuning is not available" not in e.why:
                raise
            log.warning("no CPU weights: libvirtd runs guests outside of control groups")
            self._options = replace(self._options, shares=False)
            return self._create(spec, text())

    def _create(self, spec: DomainSpec, text: str) -> int:
        def start(conn: Any) -> int:
            try:
                return _vnc_port(conn.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED))
            except libvirt.libvirtError:
                port: int | None = _present(lambda _: _vnc_port(conn.lookupByUUIDString(spec.uuid)), conn)
                if port is None:
                    raise
                return port  # an earlier try's answer was lost

        return self._link.call("StartDomain", start)

    def shutdown(self, uuid: str, grace_s: float) -> bool:
        """Ask the guest to power off and wait for the event; press again now and then."""
        deadline = time.monotonic() + grace_s
        with self._lives.expected(uuid):
            while (left := deadline - time.monotonic()) > 0:
                if (
                    self._with(uuid, lambda d: d.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))
                    is None
                ):
                    return True
                if self._lives.wait(lambda: self.find(uuid) is None, min(left, PRESS_AGAIN_S)):
                    return True
            return self.find(uuid) is None

    def destroy(self, uuid: str) -> None:
        """End the domain at once; returns only when its process is dead."""
        with self._lives.expected(uuid):
            self._with(uuid, lambda d: d.destroyFlags(0))

    def migrate(self, uuid: str, to: str) -> None:
        """Move the domain live, within a deadline; then the attempt is taken back and it runs on here."""
        late = threading.Event()

        def give_up(handle: Any) -> None:
            late.set()
            try:
                handle.abortJob()
            except libvirt.libvirtError as e:
                log.warning("migration could not be aborted", uuid=uuid, why=str(e))

        def move(handle: Any) -> int:
            timer = threading.Timer(MIGRATE_DEADLINE_S, give_up, (handle,))
            timer.daemon = True
            timer.start()
            try:
                handle.migrateToURI3(
                    self._migration_uri.format(to=to), self._parameters(handle, to), _MIGRATION
                )
            except libvirt.libvirtError as e:
                if late.is_set():
                    raise Unavailable("Live migration", f"no end within {MIGRATE_DEADLINE_S:g} s") from e
                raise
            finally:
                timer.cancel()
            return 0

        with self._lives.expected(uuid):
            self._with(uuid, move)

    def _parameters(self, handle: Any, to: str) -> dict[str, object]:
        """Send the data to the address we were given, and let the display listen on one the other host has.

        A copy that was started without locks takes them where it arrives.
        """
        tree = ET.fromstring(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))  # noqa: S314 - libvirt's own
        if self._options.display_address not in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - a comparison
            for element in tree.iterfind("devices/graphics"):
                element.set("listen", to)
                for listen in element.iterfind("listen[@type='address']"):
                    listen.set("address", to)
        devices = tree.find("devices")
        emulator = tree.find("devices/emulator")
        if devices is not None and emulator is not None and emulator.text == self._options.unlocked:
            devices.remove(emulator)
        return {
            libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{to}",
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: ET.tostring(tree, encoding="unicode"),
        }

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        """Plug a disk in, unless it is."""
        text = xml.disk_xml(disk, self._source(disk))

        def plug(handle: Any) -> int:
            if not _has_disk(handle, disk):
                handle.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            return 0

        if self._with(uuid, plug) is None:
            raise AgentRefused("The host", "AttachDisk", "the domain does not run here")

    def detach(self, uuid: str, disk: DiskSpec) -> None:
        """Ask the guest to let go of a disk and wait for it."""
        text = xml.disk_xml(disk, self._source(disk))

        def unplug(handle: Any) -> bool:
            if not _has_disk(handle, disk):
                return True
            handle.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            return False

        def gone() -> bool:
            return not self._with(uuid, lambda handle: _has_disk(handle, disk))

        if self._with(uuid, unplug) is False and not self._lives.wait(gone, DETACH_DEADLINE_S):
            raise Unavailable(f"disk {disk.volume_uuid}", "the guest does not let go of it")

    def plug_nic(self, uuid: str, nic: NicSpec, *, cable: bool) -> None:
        """Plug a NIC in, or what is plugged in into its segment, with or without its cable."""
        text = xml.nic_xml(nic, self._segment(nic.network), cable=cable)

        def plug(handle: Any) -> int:
            if _has_nic(handle, nic):
                handle.updateDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            else:
                handle.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            return 0

        if self._with(uuid, plug) is None:
            raise AgentRefused("The host", "AttachNic", "the domain does not run here")

    def unplug_nic(self, uuid: str, nic: NicSpec) -> None:
        """Ask the guest to let go of a NIC and wait for it."""
        text = xml.nic_xml(nic, self._segment(nic.network))

        def unplug(handle: Any) -> bool:
            if not _has_nic(handle, nic):
                return True
            handle.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            return False

        def gone() -> bool:
            return not self._with(uuid, lambda handle: _has_nic(handle, nic))

        if self._with(uuid, unplug) is False and not self._lives.wait(gone, DETACH_DEADLINE_S):
            raise Unavailable(f"NIC {nic.nic_uuid}", "the guest does not let go of it")

    def stats(self) -> AllStats:
        """Return all counters by one call; a domain that hangs is left out, not waited for."""

        def read(conn: Any) -> AllStats:
            flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
            rows = [(d.UUIDString(), d, row) for d, row in conn.getAllDomainStats(_STATS, flags)]
            ours = tuple(domain_stats(uuid, row) for uuid, d, row in rows if self._lives.is_ours(uuid, d))
            return AllStats(time.monotonic(), ours)

        return self._link.call("GetStats", read)

    def ping(self) -> tuple[GuestPulse, ...]:
        """Ask all guest agents."""

        def ours(conn: Any) -> list[Any]:
            handles = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)
            return [handle for handle in handles if self._lives.is_ours(handle.UUIDString(), handle)]

        return self._pulses.ping(self._link.call("PingGuests", ours))

    def _with(self, uuid: str, function: Callable[[Any], Any]) -> Any:
        """Run a function on a domain; None when there is no such domain, before or during it."""

        def look(conn: Any) -> Any:
            return _present(lambda _: function(conn.lookupByUUIDString(uuid)), conn)

        return self._link.call(uuid, look)


def _present(function: Callable[[Any], Any], handle: Any) -> Any:
    """Run a function on a domain; None when the domain is gone."""
    try:
        return function(handle)
    except libvirt.libvirtError as e:
        # A transient domain that just ended is "not running" to whoever still holds its handle.
        if e.get_error_code() in _GONE or (
            e.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and "not running" in str(e)
        ):
            return None
        raise


def _domain(handle: Any) -> Domain:
    state, reason = handle.state()
    known = _STATES.get(state, DomainState.PAUSED)
    if state == libvirt.VIR_DOMAIN_PAUSED and reason == libvirt.VIR_DOMAIN_PAUSED_MIGRATION:
        known = DomainState.MIGRATING
    return Domain(handle.UUIDString(), handle.name(), known)


def _vnc_port(handle: Any) -> int:
    tree = ET.fromstring(handle.XMLDesc(0))  # noqa: S314 - libvirt's own
    element = tree.find("devices/graphics[@type='vnc']")
    return max(0, int(element.get("port", "0"))) if element is not None else 0


def _has_disk(handle: Any, disk: DiskSpec) -> bool:
    tree = ET.fromstring(handle.XMLDesc(0))  # noqa: S314 - libvirt's own
    return any(e.text == xml.serial(disk.volume_uuid) for e in tree.iterfind("devices/disk/serial"))


def _has_nic(handle: Any, nic: NicSpec) -> bool:
    tree = ET.fromstring(handle.XMLDesc(0))  # noqa: S314 - libvirt's own
    return any(e.get("address") == nic.mac for e in tree.iterfind("devices/interface/mac"))


def domain_stats(uuid: str, row: dict[str, int]) -> DomainStats:
    """Return our counters from libvirt's, which number disks and NICs."""

    def total(kind: str, what: str) -> int:
        return sum(int(row.get(f"{kind}.{n}.{what}", 0)) for n in range(int(row.get(f"{kind}.count", 0))))

    return DomainStats(
        uuid,
        cpu_ns=int(row.get("cpu.time", 0)),
        memory_bytes=int(row.get("balloon.current", 0)) * 1024,
        disk_read_bytes=total("block", "rd.bytes"),
        disk_write_bytes=total("block", "wr.bytes"),
        disk_read_ops=total("block", "rd.reqs"),
        disk_write_ops=total("block", "wr.reqs"),
        net_read_bytes=total("net", "rx.bytes"),
        net_write_bytes=total("net", "tx.bytes"),
    )
