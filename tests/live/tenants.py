"""Guests on segments of their own, with a router for each segment, entered by SSH from beside them."""

from __future__ import annotations

import secrets
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from agents import Cloud, until

from tegar.lab.command import must, run
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec
from tegar.wire.disk import CreateDisk, SeedTemplate
from tegar.wire.router import ApplyRouter
from tegar.wire.virt import StartDomain

PREFIX = "10.77.1"
ROUTER_IP = f"{PREFIX}.1"


@dataclass(frozen=True)
class Tenant:
    """A guest: its domain, and the host it started on."""

    spec: DomainSpec
    host: str

    @property
    def nic(self) -> NicSpec:
        """Its first NIC."""
        return self.spec.nics[0]


class Tenancy:
    """A segment over all hosts with a router on one of them; all tenancies have the same addresses."""

    def __init__(self, world: Cloud, network: NetworkSpec, key: Path, router_host: str = "h1") -> None:
        self.world, self.network, self.key, self.router_host = world, network, key, router_host
        mac = f"02:00:00:{secrets.randbelow(256):02x}:{secrets.randbelow(256):02x}:01"
        subnet = SubnetSpec(network, mac, ROUTER_IP, 24, ROUTER_IP, "lab.test", (), ())
        self.router = RouterSpec(str(uuid.uuid4()), 1, (subnet,))
        world.ask(router_host, ApplyRouter(self.router))

    def add(self, host: str, number: int, nic: NicSpec | None = None) -> Tenant:
        """Start a guest with the address of that number."""
        world, pool = self.world, self.world.pools["shared"]
        vm, volume = str(uuid.uuid4()), str(uuid.uuid4())
        mac, ip = f"{self.router.subnets[0].mac[:-2]}{number:02x}", f"{PREFIX}.{number}"
        self.tell(
            GuestSpec(vm, mac, ip, f"vm-{number}", public_keys=(self.key.with_suffix(".pub").read_text(),))
        )
        world.ask(host, SeedTemplate(pool, world.template_uuid, world.store))
        world.ask(host, CreateDisk(pool, volume, 64 << 20, world.template_uuid))
        own = replace(nic or NicSpec("", self.network, "", "", 0), nic_uuid=str(uuid.uuid4()), mac=mac, ip=ip)
        disk = DiskSpec(volume, pool, 64 << 20, 0)
        spec = DomainSpec(vm, f"i-5-{number}-{vm[:4]}", 1, 500, 96 << 20, (disk,), (own,))
        world.ask(host, StartDomain(spec))
        return Tenant(spec, host)

    def tell(self, guest: GuestSpec) -> None:
        """Let the router know one more guest."""
        subnet = self.router.subnets[0]
        more = replace(subnet, guests=(*subnet.guests, guest))
        self.router = replace(self.router, version=self.router.version + 1, subnets=(more,))
        self.world.ask(self.router_host, ApplyRouter(self.router))

    def beside(self, *words: str) -> list[str]:
        """Return the words that run a command in the router's namespace."""
        inside = ["nsenter", f"--net=/run/netns/tgr-{self.router.uuid[:8]}", "--", *words]
        return self.world.lab.hosts[self.router_host].enter(inside)

    def run_in(self, tenant: Tenant, command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command in a guest."""
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ConnectTimeout=10",
        )
        words = [word for option in options for word in ("-o", option)]
        argv = ["ssh", "-q", *words, "-i", str(self.key), f"root@{tenant.nic.ip}", command]
        return run(self.beside(*argv), timeout_s=timeout_s)

    def await_login(self, tenant: Tenant) -> None:
        """Wait until the guest lets us in."""
        until(lambda: self.run_in(tenant, "true").returncode == 0, f"SSH to {tenant.nic.ip}")

    def reaches(self, tenant: Tenant, ip: str) -> bool:
        """Return whether a guest gets the page of another address."""
        said = self.run_in(tenant, f"timeout 8 wget -O - http://{ip}/ 2>&1").stdout
        print(f"{tenant.nic.ip} asks {ip}: {said.strip().splitlines()[-1:]}")
        return "address:" in said


def make_key(folder: Path) -> Path:
    """Make a key for SSH."""
    key = folder / "key"
    must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    return key
