"""Where pools and image stores are on this host: a directory, a mount of ours, or an NFS address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tegar.agent import child
from tegar.kernel.errors import AgentRefused, Refused, Unavailable
from tegar.model.spec import DiskSpec, PoolKind, PoolSpec, StoreSpec

MOUNT_DEADLINE_S = 30.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATH = re.compile(r"/[A-Za-z0-9._/+@-]*")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*|\[[0-9a-fA-F:]+\]")


def check_uuid(text: str) -> str:
    """Return the uuid; file names are made of it, so nothing else will do.

    Raises:
        Refused: it is not a lower-case uuid.
    """
    if not _UUID.fullmatch(text):
        raise Refused(f"{text!r} is not a uuid")
    return text


def check_path(text: str) -> str:
    """Return an absolute path that means the same to the kernel, to QEMU and in an address.

    Raises:
        Refused: it is relative, climbs, or has characters that mean something to one of them.
    """
    if not _PATH.fullmatch(text) or ".." in text.split("/"):
        raise Refused(f"{text!r} is not a plain absolute path")
    return text.rstrip("/") or "/"


@dataclass(frozen=True)
class Root:
    """A directory (``server`` empty), or a path on an NFS server that no mount reaches."""

    path: str
    server: str = ""
    make: bool = False  # a local pool's directory is made when it is missing; a shared one never

    @property
    def url(self) -> str:
        """Return what ``tegar.agent.files`` and qemu-img call this root."""
        return f"nfs://{self.server}{self.path}" if self.server else self.path

    def file(self, name: str) -> str:
        """Return what qemu-img calls a file below the root."""
        return f"{self.url.rstrip('/')}/{name.lstrip('/')}"


@dataclass(frozen=True)
class DiskSource:
    """What a hypervisor opens for a disk; ``cache`` is QEMU's cache mode."""

    root: Root
    name: str
    cache: str

    @property
    def path(self) -> str:
        """Return the path, on the server when there is one."""
        return f"{self.root.path.rstrip('/')}/{self.name}"


class Places:
    """Finds roots; mounts NFS where the kernel has a client for it."""

    def __init__(self, mounts: Path) -> None:
        self._mounts = mounts
        self.kernel_nfs = kernel_has_nfs()

    def pool(self, pool: PoolSpec) -> Root:
        """Return where a pool is, mounting it if that is how."""
        if pool.kind is PoolKind.NFS:
            return self._nfs(pool.uuid, pool.server, pool.path)
        return Root(check_path(pool.path), make=pool.kind is PoolKind.LOCAL)

    def store(self, store: StoreSpec) -> Root:
        """Return where an image store is, mounting it if that is how."""
        url = urlsplit(store.url)
        if url.scheme == "file" and not url.netloc:
            return Root(check_path(url.path))
        if url.scheme == "nfs":
            return self._nfs(store.uuid, url.netloc, url.path)
        raise AgentRefused("The host", "OpenStore", f"it cannot reach {url.scheme}:// stores")

    def _nfs(self, uuid: str, server: str, path: str) -> Root:
        path = check_path(path)
        if not _SERVER.fullmatch(server):
            raise Refused(f"{server!r} is not a server's name or address")
        if not self.kernel_nfs:
            return Root(path, server)
        at = self._mounts / check_uuid(uuid)
        if str(at) not in mounted():
            at.mkdir(parents=True, exist_ok=True)
            _mount(f"{server}:{path}", at)
        return Root(str(at))


def _mount(source: str, at: Path) -> None:
    """Mount hard, NFS 4 first, then 3; ``hard`` because a disk must wait, never see an error."""
    why = ""
    for version in ("4", "3"):
        options = f"hard,vers={version},nodev,nosuid,noexec"
        argv = ["mount", "-t", "nfs", "-o", options, "--", source, str(at)]
        said = child.run(argv, timeout_s=MOUNT_DEADLINE_S, what=f"NFS {source}")
        if said.code == 0 or str(at) in mounted():
            return
        why = child.last_words(said.err)
    raise Unavailable(f"NFS {source}", why)


def mounted() -> frozenset[str]:
    """Return all mount points, from the kernel's table: this touches none of them."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(row.split()[4].replace("\\040", " ") for row in rows)


def kernel_has_nfs() -> bool:
    """Return whether this kernel can mount NFS."""

    def listed() -> bool:
        return any(
            row.split()[-1] in ("nfs", "nfs4") for row in Path("/proc/filesystems").read_text().splitlines()
        )

    if not listed():
        try:
            child.run(["modprobe", "nfs"], timeout_s=10, what="modprobe")
        except (OSError, Unavailable):
            return False
    return listed() and Path("/sbin/mount.nfs").exists()


def volume_name(disk: DiskSpec) -> str:
    """Return the name of a volume's file in its pool."""
    return f"{check_uuid(disk.volume_uuid)}.qcow2"
