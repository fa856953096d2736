"""A real host out of its parts."""

from __future__ import annotations

import grp
import os
import shutil
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tegar.agent.accel import accel
from tegar.agent.box import Machine
from tegar.agent.config import Config
from tegar.agent.fences import Fences, Locks
from tegar.agent.guard import FileGuard, guard_file
from tegar.agent.hands import QmpHands
from tegar.agent.host import Hands, Host, Hypervisor
from tegar.agent.images import FileImages
from tegar.agent.paths import Paths
from tegar.agent.places import Places
from tegar.agent.pools import FilePools
from tegar.agent.probes import Probes
from tegar.agent.report import Reporter
from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.filters import NicFilters
from tegar.agent.segment.service import HostSegments
from tegar.agent.xml import Options
from tegar.kernel.clock import WallClock
from tegar.kernel.errors import TegarError, Unavailable
from tegar.kernel.loop import Loop
from tegar.wire.boot import boot_id

if TYPE_CHECKING:
    from tegar.agent.libvirt import Libvirt

log = structlog.get_logger(__name__)

MEND_ROUTERS_S = 5.0
QEMU_GROUP = "libvirt-qemu"  # Debian's; where it is missing QEMU is taken to be root
UNLOCKED = Path(__file__).with_name("qemu-unlocked")
QEMU_NFS = "/usr/lib/x86_64-linux-gnu/qemu/block-nfs.so"


def real_host(config: Config, verify: ssl.SSLContext | bool = True) -> Host:
    """Return the machine this runs on.

    Args:
        config: the agent's settings.
        verify: how the servers' certificates are checked when something is reported to them.
    """
    from tegar.agent.libvirt import Libvirt

    for folder in (config.state_dir, config.state_dir / "routers", config.log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    kind = config.accel or accel()
    places, segments = Places(config.mount_dir), HostSegments()
    probes = Probes(lambda pool: disks.touch(pool), lambda: go_on(virt, hands))
    disks = FilePools(places, probes.watch)
    reporter = Reporter(config.state_dir / "report-to.json", verify)
    hands = QmpHands(
        sockets_for_qemu(Paths(config.run_dir)),
        boot_id(),
        guarded=guard_file(config.state_dir).exists(),
        on_failure=lambda: os._exit(1),
    )
    options = Options(
        kind,
        display_address=config.display_address or config.address,
        log_dir=str(config.log_dir),
        cpu_model=config.cpu_model,
        shares=config.cpu_shares,
        sockets=str(config.run_dir / "qmp"),
        unlocked=str(UNLOCKED),
    )
    virt = Libvirt(
        options=options,
        source=disks.source,
        segment=segments.ensure,
        on_news=reporter.tell,
        ours_to_end=hands.killed,
        uri=config.libvirt_uri,
        migration_uri=config.migration_uri,
    )
    filters = NicFilters(config.run_dir / "filters", segments.ensure)
    segments.on_plug = filters.refresh
    filters.refresh()
    threading.Thread(target=filters.watch, args=(threading.Event(),), name="filters", daemon=True).start()
    routers = NamespaceRouters(config.state_dir / "routers", segments)
    routers.revive()
    Loop("routers", MEND_ROUTERS_S, routers.mend, WallClock()).start()
    threading.Thread(target=_meet, args=(virt,), name="meet-libvirtd", daemon=True).start()
    probes.start()
    can = abilities(places, segments)
    return Host(
        box=Machine(config, reporter, accel=kind, hypervisor=virt.version, can=can, stalled=probes.stalled),
        virt=virt,
        disks=disks,
        images=FileImages(places, config.scratch, config.fetch_denied),
        net=segments,
        filters=filters,
        routers=routers,
        fences=Fences(config.state_dir / "fences"),
        locks=Locks(),
        hands=hands,
        guard=FileGuard(config, hands),
    )


def _meet(virt: Libvirt) -> None:
    """Get to know libvirtd while questions are answered already."""
    try:
        virt.all()  # from now on their ends are heard of
    except Unavailable as e:
        log.warning("libvirtd does not answer yet", why=str(e))
    virt.learn_emulators()


def go_on(virt: Hypervisor, hands: Hands) -> bool:
    """Let guests go on that stopped on I/O errors; return whether all could be asked."""
    asked = True
    try:
        found = virt.all()
    except TegarError as e:
        log.warning("guests not asked to go on", why=str(e))
        return False
    for domain in found:
        try:
            hands.retry(domain.uuid)
        except TegarError as e:
            log.warning("a guest does not go on", uuid=domain.uuid, why=str(e))
            asked = asked and not e.retry
    return asked


def sockets_for_qemu(paths: Paths) -> Paths:
    """Make the directory that QEMU itself makes its control sockets in; nobody else enters it."""
    paths.run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    paths.sockets.mkdir(exist_ok=True)
    try:
        group = grp.getgrnam(QEMU_GROUP).gr_gid
    except KeyError:
        group = 0
    os.chown(paths.sockets, 0, group)
    paths.sockets.chmod(0o770)
    return paths


def abilities(places: Places, segments: HostSegments) -> tuple[str, ...]:
    """Return what was tried and works here."""
    found = list(segments.abilities())
    if places.kernel_nfs:
        found.append("nfs-mount")
    elif Path(QEMU_NFS).exists():
        found.append("nfs-qemu")
    if shutil.which("dnsmasq") and shutil.which("nft"):
        found.append("router")
    return tuple(found)
