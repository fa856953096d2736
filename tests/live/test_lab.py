"""The lab itself: real hosts, real guests, plugs that are pulled."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tegar.guard.watchdog import LabWatchdog, NoWatchdog
from tegar.lab import cloud, machine, wiring
from tegar.lab.cloud import MACHINE, Lab, LabHost
from tegar.lab.command import must, run
from tegar.lab.topology import GUEST, MGMT, STORAGE, Topology

REASON = cloud.available()
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]

REPOSITORY = Path(__file__).parents[2]
MAC = "52:54:00:12:34:01"
PATIENCE_S = 240  # of a machine that emulates, and has other work
SWITCHED = (
    ""
    if machine.has_vlan_devices()
    else "<virtualport type='openvswitch'/><driver><host csum='off'/><guest csum='off'/></driver>"
)


@dataclass(frozen=True)
class Network:
    """The guest network, with somebody on it who knows one guest."""

    guest_ip: str
    metadata: Path


def wait_until(condition: Callable[[], bool], what: str) -> float:
    """Wait for *condition* and return how long it took, in seconds."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < PATIENCE_S, f"gave up waiting for {what}"
        time.sleep(0.05)
    return time.monotonic() - start_s


def page(address: str) -> dict[str, str]:
    """Return what a guest tells about itself, or nothing when it does not answer in two seconds."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def domain_xml(name: str, disk: str) -> str:
    """Return a small emulated machine with one disk and one card on the guest network."""
    return f"""
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='{MAC}'/><source bridge='cloudbr1'/>{SWITCHED}<model type='virtio'/>
    </interface>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little guest, built once; its packages come from the usual cache."""
    path = tmp_path_factory.mktemp("image") / "guest.qcow2"
    must([str(REPOSITORY / "guest" / "build"), str(path)], timeout_s=300)
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts and a witness."""
    state_dir = tmp_path_factory.mktemp("lab")
    try:
        yield cloud.up(Topology(state_dir, hosts=2, witnesses=1), print)
    finally:
        cloud.down(state_dir, print)


@pytest.fixture(scope="module")
def network(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """DHCP and a metadata service on the guest network."""
    topology = lab.topology
    gateway = IPv4Address(topology.guest_gateway)
    server, guest = str(gateway + 1), str(gateway + 9)
    inside = ["nsenter", f"--net=/run/netns/{topology.switch}"]
    must([*inside, "ip", "addr", "replace", f"{server}/20", "dev", "guest"])
    metadata = tmp_path_factory.mktemp("metadata")
    (metadata / "latest" / "meta-data").mkdir(parents=True)
    (metadata / "latest" / "meta-data" / "instance-id").write_text("i-1234")
    (metadata / "latest" / "user-data").write_text("hello from the test")
    if shutil.which("ssh-keygen"):
        must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(metadata / "key")])
        (metadata / "key.pub").rename(metadata / "latest" / "meta-data" / "public-keys")
    dhcp = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=guest",
            "--bind-interfaces", "--leasefile-ro", "--user=root", "--pid-file=",
            f"--dhcp-range={guest},static,255.255.240.0", f"--dhcp-option=3,{gateway}",
            f"--dhcp-host={MAC},{guest},web"]  # fmt: skip
    pages = [sys.executable, "-m", "http.server", "80", "--bind", server, "--directory", str(metadata)]
    no = subprocess.DEVNULL
    with contextlib.ExitStack() as stack:
        for argv in (dhcp, pages):
            process = subprocess.Popen([*inside, *argv], stdin=no, stdout=no, stderr=no)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield Network(guest, metadata)


@pytest.fixture
def web(lab: Lab, image: Path, network: Network) -> Iterator[str]:
    """A guest that runs on h1 and answers; the name of its domain."""
    disk = lab.topology.primary_dir / "web.qcow2"
    shutil.copy(image, disk)
    boot(lab.hosts["h1"], network)
    try:
        yield "web"
    finally:
        for host in lab.hosts.values():
            if not host.powered():
                host.power_on()
            host.run(["virsh", "destroy", "web"])


def boot(host: LabHost, network: Network) -> None:
    """Start the guest and wait for its page."""
    xml = host.var_dir / "web.xml"
    xml.write_text(domain_xml("web", "/srv/tegar/primary/web.qcow2"))
    must(host.enter(["virsh", "create", "/var/lib/tegar/web.xml"]))
    waited_s = wait_until(lambda: bool(page(network.guest_ip)), "the guest's page")
    print(f"the guest answered after {waited_s:.1f} s")
    wait_until(lambda: "hello" in page(network.guest_ip).get("userdata", ""), "its user data")


def test_libvirt_answers_on_every_host_and_each_has_its_own_identity(lab: Lab) -> None:
    answers = {must(h.enter(["virsh", "capabilities"])).split("<uuid>")[1][:36] for h in lab.hosts.values()}

    assert answers == {h.uuid for h in lab.hosts.values()}
    for host in lab.hosts.values():
        assert must(host.enter(["hostname"])).strip() == host.name


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = {name: (h.init_pid, h.service_pid("libvirtd")) for name, h in lab.hosts.items()}

    again = cloud.up(lab.topology, print)

    assert {name: (h.init_pid, h.service_pid("libvirtd")) for name, h in again.hosts.items()} == before


def test_a_service_that_dies_is_started_again_until_it_is_stopped(lab: Lab) -> None:
    host = lab.hosts["h1"]
    host.start_service("sleeper", ["sleep", "1000"])
    wait_until(lambda: host.service_pid("sleeper") is not None, "the service")
    first = host.service_pid("sleeper")
    assert first is not None
    os.kill(first, 9)
    wait_until(lambda: host.service_pid("sleeper") not in {None, first}, "its successor")

    host.stop_service("sleeper")

    assert host.service_pid("sleeper") is None


def test_a_guest_boots_and_knows_what_it_was_told(lab: Lab, web: str, network: Network) -> None:
    told = page(network.guest_ip)

    assert told["name"] == "web"
    assert told["boots"] == "1"
    assert told["userdata"] == "hello from the test"
    assert told["instance-id"] == "i-1234"
    assert told["address"] == network.guest_ip


@pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh client")
def test_the_key_of_the_metadata_service_opens_the_guest(web: str, network: Network) -> None:
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "BatchMode=yes",
        "ConnectTimeout=20",
    )
    words = [word for option in options for word in ("-o", option)]

    argv = [
        "ssh",
        *words,
        "-i",
        str(network.metadata / "key"),
        f"root@{network.guest_ip}",
        "cat",
        "/run/boots",
    ]

    wait_until(lambda: run(argv).stdout.strip() == "1", "SSH with the key")


def test_a_disk_plugged_into_a_running_guest_is_seen_by_it(lab: Lab, web: str, network: Network) -> None:
    host = lab.hosts["h1"]
    must(host.enter(["qemu-img", "create", "-f", "qcow2", "/srv/tegar/primary/data.qcow2", "1G"]))
    plug = [
        "/srv/tegar/primary/data.qcow2",
        "vdb",
        "--driver",
        "qemu",
        "--subdriver",
        "qcow2",
        "--targetbus",
        "virtio",
    ]

    must(host.enter(["virsh", "attach-disk", web, *plug]))

    wait_until(lambda: "vdb:1073741824" in page(network.guest_ip).get("disks", ""), "the disk in the guest")


def test_the_power_button_ends_a_guest_in_seconds(lab: Lab, web: str) -> None:
    host = lab.hosts["h1"]

    must(host.enter(["virsh", "shutdown", web, "--mode", "acpi"]))

    waited_s = wait_until(lambda: web not in must(host.enter(["virsh", "list", "--name"])), "the guest's end")
    print(f"the power button took {waited_s:.1f} s")


def test_a_guest_moves_while_its_page_answers(lab: Lab, web: str, network: Network) -> None:
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    answers: list[bool] = []
    moving = threading.Event()

    def ask() -> None:
        while not moving.is_set():
            answers.append(bool(page(network.guest_ip)))

    asker = threading.Thread(target=ask)
    asker.start()
    start_s = time.monotonic()
    try:
        must(
            h1.enter(["virsh", "migrate", "--live", "--unsafe", web, "qemu+tcp://h2/system"]),
            timeout_s=PATIENCE_S,
        )
        took_s = time.monotonic() - start_s
        wait_until(lambda: bool(page(network.guest_ip)), "the page after the move")
    finally:
        moving.set()
        asker.join()
    print(f"the move took {took_s:.1f} s and cost {answers.count(False)} of {len(answers)} requests")

    assert web not in must(h1.enter(["virsh", "list", "--name"]))
    assert web in must(h2.enter(["virsh", "list", "--name"]))
    assert page(network.guest_ip)["boots"] == "1"
    assert answers.count(True) > answers.count(False)


def test_a_power_cut_ends_everything_at_once_and_the_host_comes_back(
    lab: Lab, web: str, network: Network
) -> None:
    host = lab.hosts["h1"]
    kept = host.var_dir / "kept"
    kept.write_text("yes")
    inside = host.node.processes()
    assert len(inside) >= 4  # first process, virtlogd, libvirtd, the guest

    host.power_off()

    assert not host.powered()
    assert not any(Path(f"/proc/{pid}").exists() and alive(pid) for pid in inside)
    assert page(network.guest_ip) == {}

    host.power_on()

    assert must(host.enter(["cat", "/var/lib/tegar/kept"])) == "yes"
    boot(host, network)
    assert page(network.guest_ip)["boots"] == "2"


def test_down_leaves_nothing(tmp_path: Path) -> None:
    state_dir = tmp_path / "lab"
    lab = cloud.up(Topology(state_dir, hosts=1, nfs=not cloud.missing_packages(nfs=True)), print)
    inside = lab.hosts["h1"].node.processes()

    cloud.down(state_dir, print)
    cloud.down(state_dir, print)

    prefix = lab.topology.prefix
    assert not state_dir.exists()
    assert not any(alive(pid) for pid in inside)
    assert prefix not in must(["ip", "-o", "link", "show"])
    assert prefix not in must(["ip", "netns", "list"])
    assert str(state_dir) not in Path("/proc/self/mountinfo").read_text()


def test_down_removes_a_lab_that_forgot_itself(tmp_path: Path) -> None:
    state_dir = tmp_path / "lab"
    lab = cloud.up(Topology(state_dir, hosts=1), print)
    inside = lab.hosts["h1"].node.processes()
    (state_dir / "lab.json").unlink()

    cloud.down(state_dir, print)

    assert not any(alive(pid) for pid in inside)
    assert lab.topology.prefix not in must(["ip", "-o", "link", "show"])


@pytest.mark.skipif(bool(cloud.missing_packages(nfs=True)), reason="the NFS server's packages are missing")
def test_a_guest_runs_from_an_nfs_server_without_the_kernels_help(image: Path, tmp_path: Path) -> None:
    lab = cloud.up(Topology(tmp_path / "lab", hosts=1, nfs=True), print)
    try:
        host, storage = lab.hosts["h1"], lab.storage
        assert storage is not None
        disk = f"{storage.primary_url}/web.qcow2"
        shutil.copy(image, lab.topology.secondary_dir / "guest.qcow2")
        must(host.enter(["qemu-img", "convert", "-O", "qcow2", f"{storage.secondary_url}/guest.qcow2", disk]))
        source = (
            f"<source protocol='nfs' name='/srv/tegar/primary/web.qcow2'><host name='{storage.ip}'/></source>"
        )
        xml = domain_xml("web", "FILE").replace("<source file='FILE'/>", source)
        xml = xml.replace("<disk type='file'", "<disk type='network'").replace(
            "cache='none'", "cache='writethrough'"
        )
        (host.var_dir / "web.xml").write_text(xml)
        must(host.enter(["virsh", "create", "/var/lib/tegar/web.xml"]))
        console = must(host.enter(["virsh", "ttyconsole", "web"])).strip()
        said = run(
            host.enter(["timeout", "60", "grep", "-m1", "tegar-guest: ready", console]), timeout_s=70
        ).stdout
        assert "boots=1" in said
    finally:
        cloud.down(tmp_path / "lab", print)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_checksums_are_filled_in_on_every_cable(lab: Lab) -> None:
    plug = lab.hosts["h1"].node.plugs[0]
    assert isinstance(plug, wiring.Plug)
    shown = must(lab.hosts["h1"].enter(["ethtool", "-k", plug.interface]))

    assert "tx-checksumming: off" in shown


def dog(host: LabHost, watchdog_s: float = 1.5) -> LabWatchdog:
    """Return what a warden on the host would use."""
    return LabWatchdog(str(host.var_dir / "watchdog.sock"), watchdog_s)


KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=1)
except ConnectionRefusedError:
    sys.exit(0)
except OSError:
    sys.exit(1)
"""


def reaches(node: list[str], address: str) -> bool:
    """Return whether packets get from a node to an address and back: nobody listens, but somebody says so."""
    return run([*node, sys.executable, "-c", KNOCK, address]).returncode == 0


def test_a_host_whose_watchdog_is_not_petted_is_reset_and_boots_again(lab: Lab) -> None:
    host = lab.hosts["h2"]
    host.start_service("sleeper", ["sleep", "1000"])
    before, inside = host.init_pid, host.node.processes()
    assert before is not None
    watched = dog(host)
    watched.pet()
    began_s = time.monotonic()
    for _ in range(4):  # petted, it lives longer than W
        time.sleep(0.6)
        watched.pet()
    assert host.init_pid == before
    last_pet_s = time.monotonic()
    del watched  # a closed connection disarms nothing

    wait_until(lambda: not alive(before), "the reset")
    silent_s = time.monotonic() - last_pet_s

    print(f"reset {silent_s:.2f} s after the last pet; it was petted for {last_pet_s - began_s:.1f} s")
    assert 1.4 < silent_s < 2.5
    wait_until(lambda: not any(alive(pid) for pid in inside), "the end of everything in it")
    wait_until(lambda: host.init_pid not in {None, before}, "the next boot")
    wait_until(lambda: host.run(["virsh", "uri"]).returncode == 0, "libvirt")
    assert host.service_pid("sleeper") is not None
    host.stop_service("sleeper")


def test_arming_an_armed_watchdog_does_not_pet_it(lab: Lab) -> None:
    host = lab.hosts["h2"]
    host.after_reset("stay off")
    before = host.init_pid
    assert before is not None
    keep = dog(host)
    keep.pet()
    last_pet_s = time.monotonic()
    with pytest.raises(NoWatchdog):  # the time cannot be changed either
        dog(host, 3)._arm()
    while alive(before):
        with contextlib.suppress(OSError, NoWatchdog):  # gone with the host
            dog(host)._arm().close()
        assert time.monotonic() - last_pet_s < PATIENCE_S
    silent_s = time.monotonic() - last_pet_s

    assert 1.4 < silent_s < 2.5
    wait_until(lambda: host.node.watchdog_pid() is None, "the end of the watchdog")
    assert not host.powered()
    host.after_reset("boot")
    host.power_on()


def test_the_watchdog_ends_with_the_hosts_power(lab: Lab) -> None:
    host = lab.hosts["h2"]
    dog(host).pet()

    host.power_off()

    assert host.node.watchdog_pid() is None
    host.power_on()
    assert host.node.watchdog_pid() is not None


def test_cut_cables_carry_nothing_until_they_are_mended(lab: Lab) -> None:
    h1, h2, w1 = lab.hosts["h1"], lab.hosts["h2"], lab.witnesses["w1"]
    here = h1.enter([])

    h1.cut([MGMT])
    h1.cut([MGMT])

    assert not reaches(here, h2.mgmt_ip)
    assert not reaches(here, lab.topology.mgmt_gateway)
    assert reaches(here, h2.storage_ip)
    h1.join([MGMT])
    wait_until(lambda: reaches(here, h2.mgmt_ip), "the mended cable")
    w1.cut()
    assert not reaches(here, w1.ip)
    lab.heal()
    wait_until(lambda: reaches(here, w1.ip), "the mended cable")


def test_hosts_can_lose_the_managers_and_see_the_witnesses(lab: Lab) -> None:
    h1, h2, w1, gateway = lab.hosts["h1"], lab.hosts["h2"], lab.witnesses["w1"], lab.topology.mgmt_gateway

    lab.separate(["h1", "h2"], [MACHINE])

    assert not reaches(h1.enter([]), gateway)
    assert not reaches(h2.enter([]), gateway)
    assert reaches(h1.enter([]), w1.ip)
    assert reaches(h1.enter([]), h2.mgmt_ip)
    assert reaches([], w1.ip)
    lab.separate(["h1"], ["w1"])
    assert not reaches(h1.enter([]), w1.ip)
    lab.heal()
    wait_until(lambda: reaches(h1.enter([]), gateway) and reaches(h1.enter([]), w1.ip), "peace")


def test_a_cable_stays_cut_when_the_watchdog_resets_the_host(lab: Lab) -> None:
    host = lab.hosts["h2"]
    before = host.init_pid
    host.cut([MGMT, GUEST, STORAGE])
    dog(host).pet()
    wait_until(lambda: host.init_pid not in {None, before}, "the next boot")
    wait_until(lambda: host.run(["virsh", "uri"]).returncode == 0, "libvirt")

    assert not reaches(host.enter([]), lab.topology.mgmt_gateway)
    host.join()
    wait_until(lambda: reaches(host.enter([]), lab.topology.mgmt_gateway), "the mended cable")


def test_a_witness_loses_its_power_and_gets_it_back(lab: Lab) -> None:
    w1 = lab.witnesses["w1"]
    w1.start_service("sleeper", ["sleep", "1000"])
    wait_until(lambda: w1.service_pid("sleeper") is not None, "the service")

    w1.power_off()

    assert not w1.powered()
    w1.power_on()
    wait_until(lambda: w1.service_pid("sleeper") is not None, "the service")
    w1.stop_service("sleeper")


def test_each_boot_of_a_host_has_another_id(lab: Lab) -> None:
    host = lab.hosts["h2"]
    ask = [sys.executable, "-c", "from tegar.agent.box import boot_id; print(boot_id())"]
    first = must(host.enter(ask))
    assert must(host.enter(ask)) == first

    host.power_off()
    host.power_on()

    assert must(host.enter(ask)) != first
