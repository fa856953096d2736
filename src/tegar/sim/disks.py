"""The ports of storage on a simulated host: files that all hosts of a pool see."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qs, urlsplit

from tegar.kernel.errors import AgentRefused, NotYet
from tegar.model.spec import PoolSpec, StoreSpec
from tegar.model.units import MIB
from tegar.sim.things import EMPTY_DISK_BYTES, Disk, Image, Machine, Storage
from tegar.sim.world import World
from tegar.wire.disk import DiskFacts, PoolFacts, SeedFacts
from tegar.wire.image import ImageFacts, StoreFacts

IMAGE_BYTES = 48 * MIB
_SUM = re.compile(r"^\{([A-Z0-9-]+)\}([0-9a-fA-F]+)$")


def _take(host: Machine, storage: Storage, wanted_bytes: int, ask: str) -> None:
    """Refuse what does not fit."""
    if host.faults.disk_full or storage.used_bytes() + wanted_bytes > storage.capacity_bytes:
        raise AgentRefused("The host", ask, f"{storage.name}: No space left on device")


def _whole(image: Image, now_s: float, what: str) -> Image:
    """Return the image if its copy is over."""
    if image.ready_s > now_s:
        raise NotYet(what, max(0.05, min(1.0, image.ready_s - now_s)))
    return image


class SimDisks:
    """The Disks port."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine

    def open(self, pool: PoolSpec) -> PoolFacts:
        """Reach the pool and report its size."""
        storage = self._world.open_pool(self._machine, pool)
        return PoolFacts(storage.capacity_bytes, storage.used_bytes())

    def watch(self, pool: PoolSpec) -> None:
        """Remember that guests here use the pool; a simulated host knows when any of its pools hangs."""
        self._machine.watched.add(pool.uuid)

    def create(self, pool: PoolSpec, volume_uuid: str, size_bytes: int, base_uuid: str) -> DiskFacts:
        """Make a disk, or report the one that exists."""
        with self._world.lock:
            storage = self._world.pool(self._machine, pool)
            size_bytes = (size_bytes + 511) // 512 * 512
            disk = storage.disks.get(volume_uuid)
            if disk is None:
                self._check_base(storage, base_uuid, size_bytes)
                _take(self._machine, storage, EMPTY_DISK_BYTES, "CreateDisk")
                disk = storage.disks[volume_uuid] = Disk(volume_uuid, size_bytes, EMPTY_DISK_BYTES, base_uuid)
            if (disk.size_bytes, disk.base) != (size_bytes, base_uuid):
                raise AgentRefused(
                    "The host", "CreateDisk", f"{volume_uuid}.qcow2 exists with another size or base"
                )
            return DiskFacts(volume_uuid, disk.size_bytes, disk.physical_bytes)

    def _check_base(self, storage: Storage, base_uuid: str, size_bytes: int) -> None:
        if not base_uuid:
            return
        base = storage.images.get(base_uuid)
        if base is None or base.ready_s > self._world.clock.mono_s():
            raise AgentRefused(
                "The host", "CreateDisk", f"{base_uuid} is not in {storage.name}; seed it first"
            )
        if size_bytes < base.size_bytes:
            raise AgentRefused("The host", "CreateDisk", f"the template needs {base.size_bytes} bytes")

    def delete(self, pool: PoolSpec, volume_uuid: str) -> None:
        """Remove a disk; one that a guest has open is a violation."""
        with self._world.lock:
            disk = self._world.pool(self._machine, pool).disks.pop(volume_uuid, None)
            if disk and disk.writers:
                self._world.violate(f"disk {volume_uuid} was deleted while open on {sorted(disk.writers)}")

    def seed(self, pool: PoolSpec, template_uuid: str, store: StoreSpec) -> SeedFacts:
        """Copy a template to the pool once."""
        world, now_s = self._world, self._world.clock.mono_s()
        with world.lock:
            storage = world.pool(self._machine, pool)
            image = storage.images.get(template_uuid)
            if image is None:
                source = world.store(store).images.get(template_uuid)
                if source is None or source.ready_s > now_s:
                    raise AgentRefused(
                        "The host", "SeedTemplate", f"the store has no template {template_uuid}"
                    )
                _take(self._machine, storage, source.physical_bytes, "SeedTemplate")
                image = storage.images[template_uuid] = Image(
                    template_uuid, source.format, source.size_bytes, source.physical_bytes, source.sha256,
                    now_s + world.times.seed_s,
                )  # fmt: skip
            _whole(image, now_s, f"template {template_uuid} on pool {pool.uuid}")
            return SeedFacts(image.size_bytes, image.physical_bytes)

    def delete_seed(self, pool: PoolSpec, template_uuid: str) -> None:
        """Remove a cached template; one that disks stand on is a violation."""
        with self._world.lock:
            storage = self._world.pool(self._machine, pool)
            if storage.images.pop(template_uuid, None) is None:
                return
            above = sorted(d.uuid for d in storage.disks.values() if d.base == template_uuid)
            if above:
                self._world.violate(f"base {template_uuid} was deleted under {', '.join(above)}")


class SimImages:
    """The Images port.

    ``http://sim/<anything>?size=<virtual bytes>&physical=<bytes>&format=qcow2`` is an image; its bytes
    are its URL, so its checksum is the URL's.  A path with ``missing`` is a 404.
    """

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine

    def open(self, store: StoreSpec) -> StoreFacts:
        """Reach the store and report its size."""
        storage = self._world.store(store)
        return StoreFacts(storage.capacity_bytes, storage.used_bytes())

    def fetch(
        self, store: StoreSpec, template_uuid: str, *, url: str, format: str, checksum: str, max_bytes: int
    ) -> ImageFacts:
        """Fetch an image of the simulated world."""
        world, now_s = self._world, self._world.clock.mono_s()
        with world.lock:
            storage = world.store(store)
            image = storage.images.get(template_uuid)
            if image is None:
                image = _download(template_uuid, url, format, checksum, max_bytes)
                _take(self._machine, storage, image.physical_bytes, "FetchImage")
                image.ready_s = now_s + world.times.fetch_s
                storage.images[template_uuid] = image
            _whole(image, now_s, f"template {template_uuid}")
            return ImageFacts(image.format, image.size_bytes, image.physical_bytes, image.sha256)

    def delete(self, store: StoreSpec, template_uuid: str) -> None:
        """Remove an image."""
        with self._world.lock:
            self._world.store(store).images.pop(template_uuid, None)


def _download(template_uuid: str, url: str, format: str, checksum: str, max_bytes: int) -> Image:
    def refused(why: str) -> AgentRefused:
        return AgentRefused("The host", "FetchImage", why)

    parts = urlsplit(url)
    if parts.hostname != "sim":
        raise refused(f"{parts.hostname}: no such host in the simulated world")
    if "missing" in parts.path:
        raise refused(f"{url} answered 404")
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    try:
        size_bytes = int(said.get("size", IMAGE_BYTES))
        physical_bytes = int(said.get("physical", min(size_bytes, IMAGE_BYTES)))
    except ValueError:
        raise refused(f"{url} is no image") from None
    if said.get("format", "qcow2").upper() != format.upper():
        raise refused(f"the image is {said.get('format', 'qcow2')}, not {format}")
    if max(size_bytes, physical_bytes) > max_bytes:
        raise refused(f"the image is larger than {max_bytes} bytes")
    found = _SUM.match(checksum)
    if checksum and not found:
        raise refused("a checksum is written {ALGORITHM}hex")
    if found and hashlib.new(found[1].replace("-", ""), url.encode()).hexdigest() != found[2].lower():
        raise refused("the checksum is wrong")
    sha256 = hashlib.sha256(url.encode()).hexdigest()
    return Image(template_uuid, format, size_bytes, physical_bytes, sha256)
