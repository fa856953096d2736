"""Two real hosts with agents that are asked over mutual TLS, and guests that are deployed on them."""

from __future__ import annotations

import http.client
import http.server
import ipaddress
import json
import secrets
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from authorities import Authority, pem

from tegar.kernel.errors import NotYet, Unreachable
from tegar.kernel.link import HttpLink, tls_client
from tegar.kernel.wire import A, Ask
from tegar.lab import cloud
from tegar.lab.cloud import Lab
from tegar.lab.command import must
from tegar.lab.topology import PRIMARY_PATH, SECONDARY_PATH, Topology
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec, PoolKind, PoolSpec, StoreSpec
from tegar.wire.disk import CreateDisk, SeedTemplate
from tegar.wire.host import GetFacts, SetReportTo
from tegar.wire.image import FetchImage
from tegar.wire.router import ApplyRouter
from tegar.wire.virt import StartDomain

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 240
NFS = not cloud.missing_packages(nfs=True)
AGENT = "import sys; from tegar.agent.serve import main_agent; sys.exit(main_agent(['--state-dir', '/var/lib/tegar']))"


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < PATIENCE_S, f"gave up waiting for {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Cloud:
    """A lab with agents, and a template on its image store."""

    lab: Lab
    links: dict[str, HttpLink]
    pools: dict[str, PoolSpec]
    store: StoreSpec
    template_uuid: str
    reports: list[dict[str, str]]
    url: str

    def ask(self, host: str, message: Ask[A]) -> A:
        """Ask a host, again as long as it says so."""
        while True:
            try:
                return self.links[host].ask(message, timeout_s=PATIENCE_S)
            except NotYet as e:
                time.sleep(e.after_s)

    def page(self, ip: str) -> dict[str, str]:
        """Return what a guest tells about itself."""
        try:
            with urllib.request.urlopen(f"http://{ip}/", timeout=2) as answer:
                lines = answer.read().decode().splitlines()
        except (OSError, http.client.HTTPException):
            return {}
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little guest."""
    path = tmp_path_factory.mktemp("image") / "guest.qcow2"
    must([str(REPOSITORY / "guest" / "build"), str(path)], timeout_s=300)
    return path


def listen(
    handler: type[http.server.BaseHTTPRequestHandler], address: str
) -> http.server.ThreadingHTTPServer:
    """Serve from a thread."""
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def world(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Two hosts with agents; a shared directory and, where it can be had, an NFS server."""
    state_dir = tmp_path_factory.mktemp("lab")
    tls = tmp_path_factory.mktemp("tls")
    agents, servers = Authority.make("agents"), Authority.make("servers")
    (tls / "agents-ca.crt").write_text(pem(agents.certificate))
    servers.issue(tls, "server", "127.0.0.1")
    reports: list[dict[str, str]] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(image.parent))  # type: ignore[arg-type]

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            reports.append({**body, "secret": self.headers["x-tegar-secret"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    try:
        lab = cloud.up(Topology(state_dir, hosts=2, nfs=NFS), print)
        client = tls_client(tls / "server.crt", tls / "server.key", tls / "agents-ca.crt")
        links = {}
        for name, host in lab.hosts.items():
            agents.issue(host.var_dir / "tls", "agent", host.mgmt_ip)
            (host.var_dir / "tls" / "servers-ca.crt").write_text(pem(servers.certificate))
            settings = (
                f'name = "{name}"\naddress = "{host.mgmt_ip}"\nlog_dir = "/var/lib/tegar/console"\ncpus = 1\n'
            )
            (host.var_dir / "agent.toml").write_text(settings)
            env = {"PYTHONPATH": str(REPOSITORY / "src"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            host.start_service("agent", [sys.executable, "-c", AGENT], env)
            links[name] = HttpLink(f"https://{host.mgmt_ip}:8250", client, name=name)
        server = listen(Handler, lab.topology.mgmt_gateway)
        url = f"http://{lab.topology.mgmt_gateway}:{server.server_port}"
        pools = {"shared": PoolSpec(str(uuid.uuid4()), PoolKind.SHARED, str(PRIMARY_PATH))}
        store = StoreSpec(str(uuid.uuid4()), f"file://{SECONDARY_PATH}")
        if lab.storage:
            pools["nfs"] = PoolSpec(str(uuid.uuid4()), PoolKind.NFS, str(PRIMARY_PATH), lab.storage.ip)
        made = Cloud(lab, links, pools, store, str(uuid.uuid4()), reports, f"{url}/guest.qcow2")
        until(lambda: all(answers(link) for link in links.values()), "the agents")
        for name in links:
            made.ask(name, SetReportTo(name, ("http://127.0.0.1:9", url), "s3cret"))
        facts = made.ask(
            "h1", FetchImage(store, made.template_uuid, f"{url}/guest.qcow2", "QCOW2", "", 1 << 30)
        )
        assert facts.size_bytes == 64 << 20
        yield made
        client.close()
        server.shutdown()
    finally:
        cloud.down(state_dir, print)


def answers(link: HttpLink) -> bool:
    try:
        return bool(link.ask(GetFacts()).uuid)
    except Unreachable:
        return False


@dataclass(frozen=True)
class Guest:
    """A VM with a router in its network."""

    spec: DomainSpec
    router: RouterSpec
    ip: str


def deploy(world: Cloud, kind: str, host: str = "h1") -> Guest:
    """Seed, create, route and start."""
    pool = world.pools[kind]
    vm, volume = str(uuid.uuid4()), str(uuid.uuid4())
    number = secrets.randbelow(200) + 30
    network = NetworkSpec(str(uuid.uuid4()), world.lab.hosts[host].guest_bridge)
    gateway = world.lab.topology.guest_gateway
    prefix = gateway.rpartition(".")[0]
    ip, mac = f"{prefix}.{number}", f"02:00:00:00:08:{number:02x}"
    router_ip = str(
        ipaddress.ip_address(ip) + 256
    )  # its own: routers of tests before are still on the segment
    world.ask(host, SeedTemplate(pool, world.template_uuid, world.store))
    world.ask(host, CreateDisk(pool, volume, 64 << 20, world.template_uuid))
    told = GuestSpec(vm, mac, ip, f"vm-{number}", user_data="aGVsbG8=", meta=(("instance-id", vm),))
    net = SubnetSpec(
        network, f"02:00:00:00:09:{number:02x}", router_ip, 20, gateway, "lab.test", (), (told,),
    )  # fmt: skip
    router = RouterSpec(str(uuid.uuid4()), 1, (net,))
    world.ask("h2", ApplyRouter(router))
    spec = DomainSpec(
        vm, f"i-2-{number}-VM", 1, 500, 128 << 20, (DiskSpec(volume, pool, 64 << 20, 0),),
        (NicSpec(str(uuid.uuid4()), network, mac, ip, 0),),
    )  # fmt: skip
    up = world.ask(host, StartDomain(spec))
    assert up.vnc_port >= 5900
    return Guest(spec, router, ip)
