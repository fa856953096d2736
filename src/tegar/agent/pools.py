"""Primary storage: qcow2 files in directories and on NFS servers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from tegar.agent import child, qemu_img
from tegar.agent.places import DiskSource, Places, Root, check_uuid, volume_name
from tegar.agent.works import Works
from tegar.kernel.errors import AgentRefused
from tegar.model.spec import DiskSpec, PoolSpec, StoreSpec
from tegar.wire.disk import DiskFacts, PoolFacts, SeedFacts

COPY_DEADLINE_S = 4 * 3600.0
TOUCH_S = 600.0


class FilePools:
    """The Disks port: ``<pool>/<volume>.qcow2`` over ``<pool>/templates/<template>.qcow2``.

    Overlays name their base relative to themselves, so a pool works under any mount point.  Without a
    mount they name it in full, for QEMU's NFS client resolves relative names wrongly (it appends them
    to the overlay's own name); such a pool is bound to its server's address.  Files are made under a hidden name and linked to their own when they are whole.
    """

    def __init__(self, places: Places, on_open: Callable[[PoolSpec], None] = lambda pool: None) -> None:
        self._places, self._on_open = places, on_open
        self._cache: dict[str, str] = {}
        self._seeding: Works[SeedFacts] = Works()

    def open(self, pool: PoolSpec) -> PoolFacts:
        """Reach the pool, check that it can be written, report its size."""
        root = self._places.pool(pool)
        said = child.files("open", root.url, *(["make"] if root.make else []), what=_name(pool))
        self._cache[pool.uuid] = "none" if said["direct"] else "writeback"
        self._on_open(pool)
        return PoolFacts(_int(said["capacity_bytes"]), _int(said["used_bytes"]))

    def watch(self, pool: PoolSpec) -> None:
        """Probe the pool from now on."""
        self._on_open(pool)

    def touch(self, pool: PoolSpec) -> None:
        """Write to the pool, however long it takes: a mount that hangs lets no child go before it is back.

        Raises:
            Unavailable: it said itself that it cannot be reached.
        """
        child.files("touch", self._places.pool(pool).url, what=f"probe of {_name(pool)}", timeout_s=TOUCH_S)

    def source(self, disk: DiskSpec) -> DiskSource:
        """Return what a hypervisor opens for the disk.

        O_DIRECT (``none``) wherever the file system can: a host's death then loses nothing a guest was
        told is on disk, and a migration's destination finds no stale pages.  Elsewhere (tmpfs)
        ``writeback``: QEMU flushes when the guest does, and drops its pages before it hands over.
        """
        if disk.pool.uuid not in self._cache:
            self.open(disk.pool)
        return DiskSource(self._places.pool(disk.pool), volume_name(disk), self._cache[disk.pool.uuid])

    def create(self, pool: PoolSpec, volume_uuid: str, size_bytes: int, base_uuid: str) -> DiskFacts:
        """Make a disk, or report the one that exists."""
        root, name, what = self._places.pool(pool), f"{check_uuid(volume_uuid)}.qcow2", _name(pool)
        base = _base(root, base_uuid) if base_uuid else ""
        found = _look(root, name, what)
        if found is None:
            if base_uuid:
                _check_base(root, base_uuid, size_bytes, what)
            part = _part(name)
            qemu_img.create(root.file(part), size_bytes, base=base, what=what)
            child.files("publish", root.url, f"/{part}", f"/{name}", what=what)
            found = _look(root, name, what)
        if found is None:
            raise AgentRefused("The host", "CreateDisk", f"{name} vanished from {what}")
        if found.size_bytes != _whole(size_bytes) or found.backing != base:
            raise AgentRefused("The host", "CreateDisk", f"{name} exists with another size or base")
        return DiskFacts(volume_uuid, found.size_bytes, found.physical_bytes)

    def delete(self, pool: PoolSpec, volume_uuid: str) -> None:
        """Remove a disk."""
        root = self._places.pool(pool)
        child.files("unlink", root.url, f"/{check_uuid(volume_uuid)}.qcow2", what=_name(pool))

    def seed(self, pool: PoolSpec, template_uuid: str, store: StoreSpec) -> SeedFacts:
        """Copy a template to the pool once."""
        what = f"template {check_uuid(template_uuid)} on {_name(pool)}"
        root = self._places.pool(pool)
        facts = _seeded(root, template_uuid, _name(pool))
        if facts:
            return facts
        return self._seeding.join(
            f"{pool.uuid}/{template_uuid}", what, lambda: self._copy(root, template_uuid, store, what)
        )

    def _copy(self, root: Root, template_uuid: str, store: StoreSpec, what: str) -> SeedFacts:
        """Copy under a hidden name, then link; of two hosts at it the first one's file stays."""
        source, name = self._places.store(store), _template(template_uuid)
        if not child.files("stat", source.url, f"/{name}", what=f"store {store.uuid}")["there"]:
            raise AgentRefused("The host", "SeedTemplate", f"the store has no template {template_uuid}")
        part = _part(name)
        child.files("open", root.url, *(["make"] if root.make else []), what=what)
        try:
            qemu_img.convert(
                source.file(name), "qcow2", root.file(part), what=what, timeout_s=COPY_DEADLINE_S
            )
            child.files("publish", root.url, f"/{part}", f"/{name}", what=what, timeout_s=300)
        finally:
            child.files("unlink", root.url, f"/{part}", what=what)
        facts = _seeded(root, template_uuid, what)
        if facts is None:
            raise AgentRefused("The host", "SeedTemplate", f"{name} vanished from {what}")
        return facts

    def delete_seed(self, pool: PoolSpec, template_uuid: str) -> None:
        """Remove a cached template."""
        self._seeding.must_be_idle(f"{pool.uuid}/{template_uuid}", f"the copy of template {template_uuid}")
        root = self._places.pool(pool)
        child.files("unlink", root.url, f"/{_template(template_uuid)}", what=_name(pool))


def _seeded(root: Root, template_uuid: str, what: str) -> SeedFacts | None:
    found = _look(root, _template(template_uuid), what)
    return SeedFacts(found.size_bytes, found.physical_bytes) if found else None


def _base(root: Root, base_uuid: str) -> str:
    """Return how an overlay in that root names its base."""
    name = _template(base_uuid)
    return root.file(name) if root.server else name


def _check_base(root: Root, base_uuid: str, size_bytes: int, what: str) -> None:
    found = _look(root, _template(base_uuid), what)
    if found is None:
        raise AgentRefused("The host", "CreateDisk", f"{base_uuid} is not in {what}; seed it first")
    if size_bytes < found.size_bytes:
        raise AgentRefused("The host", "CreateDisk", f"the template needs {found.size_bytes} bytes")


def _look(root: Root, name: str, what: str) -> qemu_img.Info | None:
    """Look at an image; QEMU's NFS client mounts the file's own folder, which may not be there yet."""
    if root.server and not child.files("stat", root.url, f"/{name}", what=what)["there"]:
        return None
    return qemu_img.info(root.file(name), "qcow2", what=what)


def _template(uuid: str) -> str:
    return f"templates/{check_uuid(uuid)}.qcow2"


def _part(name: str) -> str:
    """Return a hidden name next to *name*, its own for each attempt."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}.{last}.{secrets.token_hex(6)}.part"


def _name(pool: PoolSpec) -> str:
    return f"pool {pool.uuid}"


def _whole(size_bytes: int) -> int:
    """Return the size as qemu-img makes it: whole sectors."""
    return (size_bytes + 511) // 512 * 512


def _int(value: object) -> int:
    return int(str(value))
