"""Hostile images and servers, met with the real qemu-img."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegar.agent import qemu_img
from tegar.agent.fetch import Wanted, fetch
from tegar.agent.images import FileImages
from tegar.agent.places import Places
from tegar.agent.pools import FilePools
from tegar.kernel.errors import AgentRefused, NotYet, Refused, Unavailable
from tegar.model.spec import DiskSpec, PoolKind, PoolSpec, StoreSpec
from tegar.wire.image import ImageFacts

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
MIB = 1 << 20


def make(path: Path, *options: str, size: str = "8M", format: str = "qcow2") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", format, *options, str(path), size], check=True)
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"root:x:0:0" + b"\0" * MIB)
    return path


def test_a_plain_image_is_fine(tmp_path: Path) -> None:
    assert qemu_img.inspect(make(tmp_path / "a"), "QCOW2", 8 * MIB).size_bytes == 8 * MIB
    assert qemu_img.inspect(make(tmp_path / "b", "-o", "compat=0.10"), "QCOW2", 8 * MIB).size_bytes == 8 * MIB
    assert qemu_img.inspect(make(tmp_path / "c", format="raw"), "RAW", 8 * MIB).size_bytes == 8 * MIB


def test_a_backing_file_is_refused(tmp_path: Path, secret: Path) -> None:
    image = make(tmp_path / "a", "-b", str(secret), "-F", "raw")

    with pytest.raises(AgentRefused, match="backing file"):
        qemu_img.inspect(image, "QCOW2", 100 * MIB)


def test_a_backing_file_by_a_pseudo_protocol_is_refused(tmp_path: Path, secret: Path) -> None:
    image = make(tmp_path / "a", "-b", str(secret), "-F", "raw")
    name = f'json:{{"driver":"raw","file.filename":"{secret}"}}'
    subprocess.run(["qemu-img", "rebase", "-u", "-b", name, "-F", "raw", str(image)], check=True)

    with pytest.raises(AgentRefused, match="backing file"):
        qemu_img.inspect(image, "QCOW2", 100 * MIB)


def test_an_external_data_file_is_refused(tmp_path: Path) -> None:
    image = make(tmp_path / "a", "-o", f"data_file={tmp_path / 'data'},data_file_raw=on")

    with pytest.raises(AgentRefused, match="external data file"):
        qemu_img.inspect(image, "QCOW2", 100 * MIB)


def test_a_data_file_name_without_its_feature_bit_is_refused(tmp_path: Path) -> None:
    image = make(tmp_path / "a", "-o", f"data_file={tmp_path / 'data'}")
    head = bytearray(image.read_bytes())
    head[79] &= ~4
    image.write_bytes(head)

    with pytest.raises(AgentRefused):
        qemu_img.inspect(image, "QCOW2", 100 * MIB)


def test_a_huge_virtual_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentRefused, match="virtual size"):
        qemu_img.inspect(make(tmp_path / "a", size="1T"), "QCOW2", 100 * MIB)


def test_a_format_that_was_not_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentRefused, match="is QCOW2"):
        qemu_img.inspect(make(tmp_path / "a"), "RAW", 100 * MIB)
    with pytest.raises(AgentRefused, match="declared QCOW2"):
        qemu_img.inspect(make(tmp_path / "b", format="raw"), "QCOW2", 100 * MIB)
    with pytest.raises(AgentRefused, match="VMDK"):
        qemu_img.inspect(make(tmp_path / "c", format="vmdk"), "VMDK", 100 * MIB)


def test_a_luks_image_is_refused(tmp_path: Path) -> None:
    image = make(tmp_path / "a")
    head = bytearray(image.read_bytes())
    head[35] = 2
    image.write_bytes(head)

    with pytest.raises(AgentRefused, match="encrypted"):
        qemu_img.inspect(image, "QCOW2", 100 * MIB)


def test_a_raw_disk_that_holds_a_hostile_header_stays_raw(tmp_path: Path, secret: Path) -> None:
    disk = make(tmp_path / "disk", "-b", str(secret), "-F", "raw")
    copy = tmp_path / "copy.qcow2"

    qemu_img.convert(str(disk), "raw", str(copy), what="test", timeout_s=60)

    assert b"root:x:0:0" not in copy.read_bytes()


@dataclass
class Web:
    """A web server with tricks."""

    pages: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut_at: int = 0
    ranges: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def web() -> Iterator[Web]:
    said = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if target := said.redirects.get(self.path):
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()
                return
            body = said.pages.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = 0
            if wanted := self.headers.get("Range"):
                said.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end, said.cut_at = said.cut_at or len(body), 0
            self.wfile.write(body[start:end])
            if end < len(body):
                self.wfile.flush()
                self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    said.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield said
    server.shutdown()
    server.server_close()


def want(web: Web, path: str, *, checksum: str = "", max_bytes: int = 100 * MIB) -> Wanted:
    return Wanted(web.url(path), checksum, max_bytes, denied=())


def test_a_fetch_is_checked_and_hashed(web: Web, tmp_path: Path) -> None:
    web.pages["/a"] = b"x" * 3 * MIB
    md5 = hashlib.md5(web.pages["/a"]).hexdigest()

    assert (
        fetch(want(web, "/a", checksum=f"{{MD5}}{md5}"), tmp_path / "a")
        == hashlib.sha256(b"x" * 3 * MIB).hexdigest()
    )
    with pytest.raises(AgentRefused, match="checksum"):
        fetch(want(web, "/a", checksum="{SHA-256}" + "0" * 64), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_more_than_is_allowed_is_refused(web: Web, tmp_path: Path) -> None:
    web.pages["/a"] = b"x" * 3 * MIB

    with pytest.raises(AgentRefused, match="are allowed"):
        fetch(want(web, "/a", max_bytes=2 * MIB), tmp_path / "a")


def test_a_fetch_that_broke_goes_on_where_it_stopped(web: Web, tmp_path: Path) -> None:
    web.pages["/a"] = bytes(range(256)) * 8192
    web.cut_at = MIB

    with pytest.raises(Unavailable):
        fetch(want(web, "/a"), tmp_path / "a")
    assert fetch(want(web, "/a"), tmp_path / "a") == hashlib.sha256(web.pages["/a"]).hexdigest()
    assert len(web.ranges) == 1


def test_redirects_are_followed_to_http_only_and_not_for_ever(web: Web, tmp_path: Path) -> None:
    web.pages["/a"] = b"hello"
    web.redirects |= {"/1": "/2", "/2": web.url("/a"), "/file": "file:///etc/passwd", "/loop": "/loop"}

    assert fetch(want(web, "/1"), tmp_path / "a") == hashlib.sha256(b"hello").hexdigest()
    with pytest.raises(AgentRefused, match="only http"):
        fetch(want(web, "/file"), tmp_path / "b")
    with pytest.raises(AgentRefused, match="redirects"):
        fetch(want(web, "/loop"), tmp_path / "c")


def test_nothing_is_fetched_from_the_host_itself(web: Web, tmp_path: Path) -> None:
    web.pages["/a"] = b"hello"

    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0"):
        with pytest.raises(AgentRefused, match="not fetched from"):
            fetch(Wanted(f"http://{host}:{web.port}/a", "", MIB), tmp_path / "a")


@dataclass
class Storage:
    """A pool and a store on this machine."""

    images: FileImages
    disks: FilePools
    store: StoreSpec
    pool: PoolSpec

    def fetched(self, template: str, url: str, format: str = "QCOW2") -> ImageFacts:
        while True:
            try:
                return self.images.fetch(
                    self.store, template, url=url, format=format, checksum="", max_bytes=100 * MIB
                )
            except NotYet:
                time.sleep(0.1)

    def seed(self, template: str) -> None:
        while True:
            try:
                self.disks.seed(self.pool, template, self.store)
                return
            except NotYet:
                time.sleep(0.1)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    places = Places(tmp_path / "mnt")
    (tmp_path / "pool").mkdir()
    (tmp_path / "store").mkdir()
    return Storage(
        FileImages(places, tmp_path / "scratch", denied=()),
        FilePools(places),
        StoreSpec(str(uuid.uuid4()), f"file://{tmp_path}/store"),
        PoolSpec(str(uuid.uuid4()), PoolKind.SHARED, str(tmp_path / "pool")),
    )


def test_a_template_travels_from_the_web_to_a_disk(storage: Storage, web: Web, tmp_path: Path) -> None:
    web.pages["/t"] = make(tmp_path / "t").read_bytes()
    template, volume = str(uuid.uuid4()), str(uuid.uuid4())

    facts = storage.fetched(template, web.url("/t"))
    assert facts.sha256 == hashlib.sha256(web.pages["/t"]).hexdigest()
    assert storage.fetched(template, web.url("/gone")) == facts
    storage.seed(template)
    made = storage.disks.create(storage.pool, volume, 16 * MIB, template)

    assert made == storage.disks.create(storage.pool, volume, 16 * MIB, template)
    assert made.size_bytes == 16 * MIB
    info = qemu_img.info(str(tmp_path / "pool" / f"{volume}.qcow2"), "qcow2", what="test")
    assert info
    assert info.backing == f"templates/{template}.qcow2"
    with pytest.raises(AgentRefused, match="another size"):
        storage.disks.create(storage.pool, volume, 32 * MIB, template)
    assert [p for p in (tmp_path / "pool").rglob(".*") if p.is_file()] == []
    for _ in range(2):
        storage.disks.delete(storage.pool, volume)
        storage.disks.delete_seed(storage.pool, template)
        storage.images.delete(storage.store, template)
    assert [p for p in (tmp_path / "pool").rglob("*") if p.is_file()] == []


def test_a_hostile_template_leaves_nothing(storage: Storage, web: Web, tmp_path: Path, secret: Path) -> None:
    web.pages["/t"] = make(tmp_path / "t", "-b", str(secret), "-F", "raw").read_bytes()

    for _ in range(2):
        with pytest.raises(AgentRefused, match="backing file"):
            storage.fetched(str(uuid.uuid4()), web.url("/t"))
    assert [p for d in ("store", "scratch") for p in (tmp_path / d).rglob("*") if p.is_file()] == []


def test_two_hosts_may_seed_at_once(storage: Storage, web: Web, tmp_path: Path) -> None:
    web.pages["/t"] = make(tmp_path / "t").read_bytes()
    template = str(uuid.uuid4())
    storage.fetched(template, web.url("/t"))
    others = [
        Storage(storage.images, FilePools(Places(tmp_path / "mnt")), storage.store, storage.pool)
        for _ in "ab"
    ]
    threads = [threading.Thread(target=other.seed, args=(template,)) for other in others]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [p.name for p in (tmp_path / "pool" / "templates").iterdir()] == [f"{template}.qcow2"]


def test_a_disk_without_its_template_is_refused(storage: Storage) -> None:
    with pytest.raises(AgentRefused, match="seed it first"):
        storage.disks.create(storage.pool, str(uuid.uuid4()), MIB, str(uuid.uuid4()))


def test_names_that_climb_are_refused(storage: Storage) -> None:
    with pytest.raises(Refused):
        storage.disks.delete(storage.pool, "../../etc/passwd")
    with pytest.raises(Refused):
        storage.disks.open(PoolSpec(str(uuid.uuid4()), PoolKind.SHARED, "/srv/../etc"))
    with pytest.raises(Refused):
        storage.disks.open(PoolSpec(str(uuid.uuid4()), PoolKind.NFS, "/x", "-oProxyCommand=x"))


def test_a_shared_pool_that_is_not_mounted_is_unavailable(tmp_path: Path) -> None:
    gone = PoolSpec(str(uuid.uuid4()), PoolKind.SHARED, str(tmp_path / "gone"))

    with pytest.raises(Unavailable, match="is it mounted"):
        FilePools(Places(tmp_path / "mnt")).open(gone)


def test_a_disk_says_how_it_is_cached(storage: Storage) -> None:
    disk = DiskSpec(str(uuid.uuid4()), storage.pool, MIB, 0)

    assert storage.disks.source(disk).cache in ("none", "writeback")
