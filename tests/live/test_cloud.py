"""A whole cloud on this machine, started as people start it: real guests, real disks, real packets."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from support import program
from support.mariadb import MariaDb
from support.traces import furnished, traces
from support.until import until
from tegar.kernel.db import Db
from tegar.kernel.saga import SagaRow
from tegar.lab import cloud as lab
from tegar.lab.cloud import Lab, LabHost
from tegar.lab.topology import Topology
from tegar.main.client import ApiFailed, Client
from tegar.main.local import MARK, Place, free_port, spawn, tegar
from tegar.main.up import why_not_real

REASON = why_not_real()
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(REASON is not None, reason=f"no real hosts here: {REASON}"),
]

REPOSITORY = Path(__file__).parents[2]
GIB = 1024**3
PATIENCE_S = 180.0


@dataclass
class Cloud:
    """The cloud under test, and what a user of it does."""

    root: Path
    facts: dict[str, Any]
    lab: Lab
    api: Client
    key: Path

    def first(self, command: str, key: str, **params: Any) -> Any:
        """Return the first row of a list."""
        return self.api.first(command, key, **params)

    def deploy(self, name: str, host: str = "", user_data: str = "", **more: Any) -> Any:
        """Deploy a VM with the key, and wait for its page."""
        wish = {
            "name": name,
            "zoneid": self.first("listZones", "zone")["id"],
            "templateid": self.first("listTemplates", "template", templatefilter="all")["id"],
            "serviceofferingid": self.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")[
                "id"
            ],
            "networkids": self.first("listNetworks", "network", listall=True)["id"],
            "keypair": "live",
            "userdata": base64.b64encode(user_data.encode()).decode() or None,
            "hostid": self.host_id(host) if host else None,
            **more,
        }
        vm = self.api.job("deployVirtualMachine", **wish)["virtualmachine"]
        self.answers(vm, host=name)
        return vm

    def vm(self, vm: Any) -> Any:
        """Return a VM as the API shows it now."""
        return self.first("listVirtualMachines", "virtualmachine", id=vm["id"])

    def host_id(self, name: str) -> str:
        """Return a host's id."""
        return str(self.first("listHosts", "host", name=name)["id"])

    def host_of(self, vm: Any) -> LabHost:
        """Return the host that runs a VM."""
        return self.lab.hosts[self.vm(vm)["hostname"]]

    def other(self, vm: Any) -> LabHost:
        """Return the host that does not run a VM."""
        here = self.host_of(vm).name
        return next(h for h in self.lab.hosts.values() if h.name != here)

    def page(self, vm: Any, timeout_s: float = 3) -> dict[str, str]:
        """Return what a guest tells about itself; nothing when it does not answer."""
        try:
            text = httpx.get(f"http://{address(vm)}/", trust_env=False, timeout=timeout_s).text
        except httpx.HTTPError:
            return {}
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}

    def answers(self, vm: Any, *, host: str = "") -> dict[str, str]:
        """Wait for a guest's page, and until it knows its name."""

        def known() -> dict[str, str]:
            page = self.page(vm)
            return page if page.get("name") == vm["name"] and page.get("instance-id") == vm["id"] else {}

        return until(known, f"the page of {vm['name']} {host}", within_s=PATIENCE_S)

    def ssh(self, vm: Any, command: str) -> str:
        """Run a command in a guest as root, with the key; wait for the guest to let us in."""
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ]
        options += ["ConnectTimeout=15", "IdentitiesOnly=yes"]
        words = ["ssh", "-F", "none", "-i", str(self.key), *(w for o in options for w in ("-o", o))]

        def done() -> subprocess.CompletedProcess[str] | None:
            ran = subprocess.run(
                [*words, f"root@{address(vm)}", command],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return None if ran.returncode == 255 else ran

        ran = until(done, f"{vm['name']} lets us in", within_s=60)
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def is_(self, vm: Any, state: str, within_s: float = PATIENCE_S) -> float:
        """Wait until the API says that a VM is in a state; return how long it took, in seconds."""
        began_s = time.monotonic()
        until(lambda: self.vm(vm)["state"] == state, f"{vm['name']} is {state}", within_s=within_s)
        return time.monotonic() - began_s

    def expunge(self, vm: Any) -> None:
        """End a VM for good."""
        self.api.job("destroyVirtualMachine", id=vm["id"], expunge=True)

    def files(self, uuid: str) -> list[Path]:
        """Return the files of a volume on primary storage."""
        return [p for p in self.lab.topology.primary_dir.rglob("*") if uuid in p.name]

    def qemu(self, vm: Any) -> list[int]:
        """Return the QEMU processes of a VM on this machine, whatever host they are in."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if words and b"qemu-system" in words[0] and vm["id"].encode() in words:
                found.append(int(entry.name))
        return found


def address(vm: Any) -> str:
    """Return a VM's address."""
    return str(vm["nic"][0]["ipaddress"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of two real hosts with its first VM, and a key to log in with."""
    root = furnished(tmp_path_factory.mktemp("real"))
    try:
        facts = program.up(root)
        built = lab.attach(root / "lab")
        assert built
        api = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
        key = root / "key"
        key.touch(mode=0o600)
        key.write_text(api("createSSHKeyPair", name="live")["keypair"]["privatekey"])
        yield Cloud(root, facts, built, api, key)
    finally:
        program.down(root)
    assert traces(root) == []


@pytest.fixture(scope="module")
def one(cloud: Cloud) -> Any:
    """A VM that starts on the first host."""
    return cloud.deploy("one", "h1", "#!/bin/sh\necho made by user data >/run/made\n")


@pytest.fixture(scope="module")
def two(cloud: Cloud) -> Any:
    """A VM that starts on the second host."""
    return cloud.deploy("two", "h2")


def hello(cloud: Cloud) -> Any:
    """Return the VM that every new cloud has."""
    return cloud.first("listVirtualMachines", "virtualmachine", name="hello")


# ── a new cloud ──


def test_the_first_vm_tells_its_name_its_boots_and_its_user_data(cloud: Cloud) -> None:
    page = cloud.answers(hello(cloud))

    assert (page["name"], page["boots"], page["userdata"]) == ("hello", "1", "Hello from Tegar.")


def test_up_again_changes_nothing_and_is_quick(cloud: Cloud) -> None:
    vm, before = hello(cloud), cloud.page(hello(cloud))
    began_s = time.monotonic()

    assert program.up(cloud.root)["apikey"] == cloud.facts["apikey"]
    print(f"up again: {time.monotonic() - began_s:.1f} s")
    assert time.monotonic() - began_s < 60
    assert hello(cloud)["id"] == vm["id"]
    after = cloud.page(vm)
    assert after["boots"] == before["boots"]
    assert float(after["uptime_s"]) > float(before["uptime_s"])
    assert len(cloud.api("listHosts", type="Routing")["host"]) == 2


# ── guests ──


def test_the_key_opens_the_guest_and_its_user_data_ran(cloud: Cloud, one: Any) -> None:
    assert cloud.ssh(one, "hostname; id -u").split() == ["one", "0"]
    until(lambda: "made by user data" in cloud.ssh(one, "cat /run/made || true"), "the script ran")


def test_two_guests_on_two_hosts_reach_each_other_by_name(cloud: Cloud, one: Any, two: Any) -> None:
    assert cloud.host_of(one).name != cloud.host_of(two).name

    for here, there in ((one, two), (two, one)):
        name = there["name"]
        asked = (
            f"ping -c 1 -W 5 {address(there)} && nslookup {name}.tegar.test && wget -q -O - http://{name}/"
        )
        said = cloud.ssh(here, asked)
        assert f"Address: {address(there)}" in re.sub(r"Address \d+:", "Address:", said)
        assert f"instance-id: {there['id']}" in said


def test_a_stopped_vm_starts_on_the_other_host_with_its_disk(cloud: Cloud, one: Any) -> None:
    boots, target = int(cloud.answers(one)["boots"]), cloud.other(one)
    cloud.ssh(one, "echo kept >/disk/kept && flush")

    assert cloud.api.job("stopVirtualMachine", id=one["id"])["virtualmachine"]["state"] == "Stopped"
    assert cloud.qemu(one) == []
    cloud.api.job("startVirtualMachine", id=one["id"], hostid=cloud.host_id(target.name))
    page = cloud.answers(one)

    assert cloud.host_of(one).name == target.name
    assert int(page["boots"]) == boots + 1
    assert cloud.ssh(one, "cat /disk/kept") == "kept\n"


class Watcher:
    """Asks a guest for its page, again and again, and remembers when it answered."""

    def __init__(self, cloud: Cloud, vm: Any) -> None:
        self._cloud, self._vm = cloud, vm
        self.answered_s: list[float] = []
        self.failures = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.is_set():
            if self._cloud.page(self._vm, timeout_s=1):
                self.answered_s.append(time.monotonic())
            else:
                self.failures += 1

    def __enter__(self) -> Watcher:
        self._thread.start()
        until(lambda: self.answered_s, "the first answer")
        return self

    def __exit__(self, *_: object) -> None:
        seen = len(self.answered_s)
        until(lambda: len(self.answered_s) > seen + 3, "answers after the move", within_s=60)
        self._over.set()
        self._thread.join()

    @property
    def longest_gap_s(self) -> float:
        """Return the longest time without an answer."""
        return max(b - a for a, b in zip(self.answered_s, self.answered_s[1:], strict=False))


def test_a_vm_moves_to_the_other_host_while_its_page_answers(cloud: Cloud, one: Any) -> None:
    before, source, target = cloud.answers(one), cloud.host_of(one), cloud.other(one)

    with Watcher(cloud, one) as watcher:
        began_s = time.monotonic()
        cloud.api.job("migrateVirtualMachine", virtualmachineid=one["id"], hostid=cloud.host_id(target.name))
        took_s = time.monotonic() - began_s
    print(
        f"moved in {took_s:.1f} s; {len(watcher.answered_s)} answers, {watcher.failures} failures, "
        f"longest gap {watcher.longest_gap_s:.2f} s"
    )

    assert watcher.longest_gap_s < 5
    assert watcher.failures <= 5
    assert cloud.host_of(one).name == target.name
    after = cloud.page(one)
    assert after["boots"] == before["boots"]
    assert float(after["uptime_s"]) > float(before["uptime_s"])
    assert len(cloud.qemu(one)) == 1
    assert one["id"] not in source.run(["virsh", "-c", "qemu:///system", "list", "--all", "--uuid"]).stdout


def test_a_volume_carries_bytes_from_one_guest_to_another(cloud: Cloud, one: Any, two: Any) -> None:
    custom = cloud.first("listDiskOfferings", "diskoffering", name="Custom")["id"]
    zone = cloud.first("listZones", "zone")["id"]
    volume = cloud.api.job("createVolume", name="data", zoneid=zone, diskofferingid=custom, size=1)["volume"]

    def disks(vm: Any) -> str:
        return cloud.page(vm).get("disks", "")

    cloud.api.job("attachVolume", id=volume["id"], virtualmachineid=one["id"])
    until(lambda: f"vdb:{GIB}" in disks(one), "one sees its disk")
    cloud.ssh(one, "printf 'carried over' | dd of=/dev/vdb bs=512 seek=1000000 conv=fsync")
    cloud.api.job("detachVolume", id=volume["id"])
    until(lambda: "vdb" not in disks(one), "one sees its disk go")
    cloud.api.job("attachVolume", id=volume["id"], virtualmachineid=two["id"])
    until(lambda: f"vdb:{GIB}" in disks(two), "two sees its disk")

    assert cloud.ssh(two, "dd if=/dev/vdb bs=512 skip=1000000 count=1 | head -c 12") == "carried over"
    with pytest.raises(ApiFailed):
        cloud.api("deleteVolume", id=volume["id"])
    assert cloud.files(volume["id"])
    cloud.api.job("detachVolume", id=volume["id"])
    cloud.api("deleteVolume", id=volume["id"])
    until(lambda: not cloud.files(volume["id"]), "its file is gone")


# ── the end of VMs ──


def test_a_destroyed_vm_is_recovered_and_starts_again(cloud: Cloud, two: Any) -> None:
    boots = int(cloud.answers(two)["boots"])

    cloud.api.job("destroyVirtualMachine", id=two["id"])
    assert cloud.vm(two)["state"] == "Destroyed"
    assert cloud.qemu(two) == []
    assert cloud.api("recoverVirtualMachine", id=two["id"])["virtualmachine"]["state"] == "Stopped"
    cloud.api.job("startVirtualMachine", id=two["id"])

    assert int(cloud.answers(two)["boots"]) == boots + 1


def test_nothing_of_an_expunged_vm_is_left(cloud: Cloud, one: Any) -> None:
    vm = cloud.deploy("shortlived")
    root = cloud.first("listVolumes", "volume", virtualmachineid=vm["id"])["id"]
    routers = [h.var_dir / "routers" for h in cloud.lab.hosts.values()]

    def known() -> list[Path]:
        about = [p for r in routers for p in r.rglob(f"{address(vm)}.json")]
        leases = [p for r in routers for p in r.rglob("*hosts")]
        return about + [p for p in leases if re.search(rf"\b{re.escape(address(vm))}\b", p.read_text())]

    assert cloud.files(root)
    assert known()
    assert address(vm) in cloud.ssh(one, "nslookup shortlived.tegar.test")
    cloud.expunge(vm)

    assert cloud.files(root) == []
    assert cloud.qemu(vm) == []
    until(lambda: not known(), "the router forgets it", within_s=30)
    assert address(vm) not in cloud.ssh(one, "nslookup shortlived.tegar.test || true")
    again = cloud.deploy("again", ipaddress=address(vm))
    assert address(again) == address(vm)
    cloud.expunge(again)


def test_a_guest_that_powers_itself_off_is_stopped(cloud: Cloud, two: Any) -> None:
    cloud.answers(two)
    cloud.ssh(two, "(sleep 0.2; off) >/dev/null 2>&1 &")
    until(lambda: not cloud.qemu(two), "its QEMU ends", within_s=60)

    took_s = cloud.is_(two, "Stopped", within_s=20)
    print(f"a guest that powered itself off: Stopped after {took_s:.1f} s")
    assert "hostname" not in cloud.vm(two)
    cloud.api.job("startVirtualMachine", id=two["id"])
    cloud.answers(two)


def test_a_qemu_that_was_killed_is_found_stopped(cloud: Cloud, two: Any) -> None:
    cloud.answers(two)
    (pid,) = cloud.qemu(two)
    os.kill(pid, signal.SIGKILL)

    took_s = cloud.is_(two, "Stopped", within_s=30)
    print(f"a QEMU that was killed: Stopped after {took_s:.1f} s")
    cloud.api.job("startVirtualMachine", id=two["id"])
    cloud.answers(two)


# ── more storage ──


@pytest.mark.skipif(bool(lab.missing_packages(nfs=True)), reason="the NFS server's packages are missing")
def test_a_vm_runs_from_an_nfs_server_and_moves(cloud: Cloud, one: Any) -> None:
    whole = lab.up(Topology(cloud.root / "lab", hosts=2, nfs=True), print)
    assert whole.storage
    where = cloud.first("listClusters", "cluster")
    cloud.api(
        "createStoragePool", name="nfs", url=whole.storage.primary_url, tags="nfs", scope="CLUSTER",
        zoneid=where["zoneid"], podid=where["podid"], clusterid=where["id"],
    )  # fmt: skip
    offering = cloud.api(
        "createServiceOffering", name="on-nfs", displaytext="on NFS", cpunumber=1, cpuspeed=250, memory=128, tags="nfs"
    )["serviceoffering"]  # fmt: skip
    vm = cloud.deploy("onnfs", serviceofferingid=offering["id"])

    root = cloud.first("listVolumes", "volume", virtualmachineid=vm["id"])
    assert root["storage"] == "nfs"
    assert cloud.files(root["id"]) == []
    target = cloud.other(vm)
    cloud.api.job("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=cloud.host_id(target.name))
    assert cloud.host_of(vm).name == target.name
    assert cloud.answers(vm)["boots"] == "1"
    cloud.expunge(vm)
    pool = cloud.first("listStoragePools", "storagepool", name="nfs")
    cloud.api("deleteStoragePool", id=pool["id"], forced=True)


# ── what runs the cloud dies ──


def test_an_agent_that_was_killed_comes_back_and_its_guest_never_knew(cloud: Cloud, one: Any) -> None:
    host, before = cloud.host_of(one), cloud.answers(one)
    pid, guest = host.service_pid("agent"), cloud.qemu(one)
    assert pid
    os.kill(pid, signal.SIGKILL)

    assert cloud.page(one)["boots"] == before["boots"]
    until(lambda: host.service_pid("agent") not in (None, pid), "another agent", within_s=60)
    cloud.api.job("rebootVirtualMachine", id=one["id"], forced=True, patience_s=120)
    page = until(
        lambda: (p := cloud.page(one)).get("boots", before["boots"]) != before["boots"] and p,
        "it reboots",
        within_s=PATIENCE_S,
    )
    assert int(page["boots"]) == int(before["boots"]) + 1
    assert guest != []


def test_a_server_that_was_killed_is_started_by_up_and_knows_everything(cloud: Cloud, one: Any) -> None:
    before = cloud.answers(one)
    kill_server(cloud.root)

    assert cloud.page(one)["boots"] == before["boots"]
    assert program.up(cloud.root)["endpoint"] == cloud.facts["endpoint"]
    assert cloud.vm(one)["state"] == "Running"


def kill_server(root: Path, name: str = "server") -> None:
    """Kill a management server, and nothing else."""
    mark = f"{MARK}={root}:{name}".encode()
    killed = []
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours:
            os.kill(int(entry.name), signal.SIGKILL)
            killed.append(entry)
    assert killed
    until(lambda: all(gone(entry) for entry in killed), "the server is dead")


def gone(entry: Path) -> bool:
    """Return whether a process of ``/proc`` has ended."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_down_leaves_nothing_though_the_server_was_killed(cloud: Cloud) -> None:
    kill_server(cloud.root)
    assert traces(cloud.root)

    program.down(cloud.root)

    assert traces(cloud.root) == []
    left = {p.name for p in cloud.root.iterdir()}
    assert left <= {"cache", "key"}
    program.down(cloud.root)


@pytest.mark.parametrize("moment", ["h1 is up", "agents answer", "deploying VM"])
def test_down_leaves_nothing_of_an_up_that_was_killed(tmp_path: Path, moment: str) -> None:
    root = furnished(tmp_path / "half")
    words = [str(program.TEGAR), "up", "--detach", "--dir", str(root), "--port", "0"]
    try:
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as up:
            assert up.stdout
            assert any(moment in line for line in up.stdout), f"it never came to {moment!r}"
            up.kill()
        assert traces(root)
        if moment == "agents answer":
            assert program.up(root)["vm"], "another up goes on where the first one was killed"
    finally:
        program.down(root)
    assert traces(root) == []


# ── two servers ──


def second_server(root: Path, built: Lab, database: str) -> int:
    """Start another management server on the same database; return its port."""
    state, port, gateway = root / "second", free_port(0), built.topology.mgmt_gateway
    state.mkdir()
    shutil.copy(root / "server" / "vault.key", state)
    words = ["--state-dir", str(state), "--database", database, "--port", str(port), "--name", "second"]
    words += ["--agent-listen", gateway, "--agent-port", "8261"]
    spawn(Place(root), "second", tegar("server", *words))
    until(lambda: ready(port), program.said(root, "second"), within_s=60)
    return port


def ready(port: int) -> str:
    """Return what a server calls itself, when it takes requests."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5)
    except httpx.HTTPError:
        return ""
    return str(answer.json()["server"]) if answer.is_success else ""


def worker(db: Db, job: str) -> tuple[str, int]:
    """Return who is at work on a job, and how many have been."""
    row = db.read(lambda s: s.scalars(select(SagaRow).where(SagaRow.uuid == job)).one())
    return row.owner or "", row.fence


@pytest.mark.mariadb
def test_a_second_server_finishes_what_a_killed_one_began(tmp_path: Path, mariadb: MariaDb) -> None:
    root, (_, database) = furnished(tmp_path / "pair"), mariadb.new()
    (root / "server").mkdir(parents=True)
    (root / "server" / "server.toml").write_text(f'database = "{database}"\n')
    made = program.run("db", "upgrade", "--state-dir", root / "server")
    assert made.returncode == 0, made.stderr
    try:
        facts = program.up(root)
        built = lab.attach(root / "lab")
        assert built
        ports = {"server": int(facts["port"]), "second": second_server(root, built, database)}
        names = {ready(port): name for name, port in ports.items()}
        clients = {
            name: Client(f"http://127.0.0.1:{port}/client/api", facts["apikey"], facts["secretkey"])
            for name, port in ports.items()
        }
        cloud = Cloud(root, facts, built, clients["server"], root / "key")
        vm, db = hello(cloud), Db(database)
        job = cloud.api("rebootVirtualMachine", id=vm["id"])["jobid"]
        until(lambda: not cloud.qemu(vm), "its first half is done", within_s=60)
        began, _ = worker(db, job)
        kill_server(root, names[began])
        cloud.api = next(client for name, client in clients.items() if name != names[began])
        began_s = time.monotonic()

        assert cloud.api.wait("rebootVirtualMachine", job, PATIENCE_S)["virtualmachine"]["state"] == "Running"
        print(f"{names[began]} was killed; the other finished within {time.monotonic() - began_s:.1f} s")
        assert worker(db, job)[1] >= 2
        db.close()
        until(lambda: cloud.page(vm).get("boots") == "2", "it booted again", within_s=PATIENCE_S)
        (pid,) = cloud.qemu(vm)
        os.kill(pid, signal.SIGKILL)
        print(f"and found a killed QEMU within {cloud.is_(vm, 'Stopped', within_s=60):.1f} s")
        assert program.up(root)["vm"] == vm["id"]
        assert cloud.vm(vm)["state"] == "Running"
    finally:
        program.down(root)
    assert traces(root) == []
