"""The lab as a whole: up, down, and its hosts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tegar.lab import bmc as bmcs
from tegar.lab import hypervisor, machine, openvswitch, watchdog, wiring
from tegar.lab.bmc import LabBmc
from tegar.lab.command import run as run_command
from tegar.lab.errors import LabError
from tegar.lab.machine import REQUIRED_PACKAGES, available, missing_packages
from tegar.lab.node import Node, Service, cut_power, powered_names, wait_for
from tegar.lab.storage import LabStorage
from tegar.lab.topology import GUEST, MGMT, NETWORKS, PRIMARY_PATH, PUBLIC, SECONDARY_PATH, STORAGE, Topology
from tegar.lab.witness import LabWitness

__all__ = [
    "MACHINE",
    "REQUIRED_PACKAGES",
    "Lab",
    "LabHost",
    "attach",
    "available",
    "down",
    "missing_packages",
    "up",
]

Say = Callable[[str], None]
MACHINE = wiring.MACHINE
GUEST_BRIDGE, GUEST_UPLINK = "cloudbr1", "guest0"
PUBLIC_BRIDGE = "cloudbr0"
LIBVIRT_PATIENCE_S = 90
SWITCH_PATIENCE_S = 30
_RECORD = "lab.json"
_OWNED = ("hosts", "shared", "bmcs")


@dataclass(frozen=True)
class LabHost:
    """One host: namespaces with libvirt, and a plug that can be pulled.

    Attributes:
        topology: the lab it is part of.
        number: which host it is, counted from 1.
    """

    topology: Topology
    number: int

    @property
    def name(self) -> str:
        """Its host name, from h1 on."""
        return f"h{self.number}"

    @property
    def mgmt_ip(self) -> str:
        """Where its agent and its libvirt listen."""
        return self.topology.host_mgmt_ip(self.number)

    @property
    def storage_ip(self) -> str:
        """Its address on the storage network."""
        return self.topology.host_storage_ip(self.number)

    @property
    def guest_bridge(self) -> str:
        """The bridge, in the host, that guests' cards are plugged into."""
        return GUEST_BRIDGE

    @property
    def public_bridge(self) -> str:
        """The bridge, in the host, that routers' public cards are plugged into."""
        return PUBLIC_BRIDGE

    @property
    def uuid(self) -> str:
        """Its identity to libvirt."""
        return self.topology.host_uuid(self.number)

    @property
    def var_dir(self) -> Path:
        """The directory on the machine that the host sees as /var/lib/tegar; outlives power cuts."""
        return self.node.home / "var"

    @property
    def log_dir(self) -> Path:
        """The directory on the machine with one log a service."""
        return self.node.home / "log"

    @property
    def init_pid(self) -> int | None:
        """Its first process as the machine numbers it, or None without power."""
        return self.node.init_pid()

    @property
    def node(self) -> Node:
        """Its namespaces."""
        topology, home = self.topology, self.topology.node_dir(self.name)
        private = tuple((home / inner, target) for inner, target in hypervisor.PRIVATE_DIRS)
        shared = (
            (topology.primary_dir, str(PRIMARY_PATH)),
            (topology.secondary_dir, str(SECONDARY_PATH)),
            (topology.state_dir / "shared" / "hosts", "/etc/hosts"),
        )
        plugs = (
            wiring.Plug(MGMT, "mgmt0", f"{self.mgmt_ip}/{topology.cidr(MGMT).prefixlen}"),
            wiring.Plug(STORAGE, "storage0", f"{self.storage_ip}/{topology.cidr(STORAGE).prefixlen}"),
            wiring.Plug(PUBLIC, "public0", bridge=PUBLIC_BRIDGE),
            wiring.Plug(GUEST, GUEST_UPLINK, bridge=GUEST_BRIDGE, switched=bool(self.switched)),
        )
        kvm = machine.kvm_works()
        return Node(topology, self.name, (*private, *shared), plugs, kvm=kvm, watchdog=True)

    @property
    def switched(self) -> tuple[tuple[str, str], ...]:
        """Bridges of Open vSwitch and their uplinks: the guests', where the kernel cannot cut VLANs itself."""
        return () if machine.has_vlan_devices() else ((GUEST_BRIDGE, GUEST_UPLINK),)

    @property
    def watchdog(self) -> str:
        """What a warden on the host calls the host's watchdog."""
        return f"lab:/var/lib/tegar/{watchdog.SOCKET}"

    def after_reset(self, then: Literal["boot", "stay off"]) -> None:
        """Say what the host does once its watchdog has reset it; it boots unless told otherwise."""
        flag = self.node.home / watchdog.STAYS_OFF
        flag.unlink(missing_ok=True) if then == "boot" else flag.touch()

    def cut(self, networks: Collection[str] = NETWORKS) -> None:
        """Cut the host's cables, all or those to some networks; again is no error.

        They stay cut when the watchdog resets the host, and are whole after ``power_off``.
        """
        self.node.cut(networks)

    def join(self, networks: Collection[str] = NETWORKS) -> None:
        """Mend the host's cables."""
        self.node.join(networks)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the words that run a command inside the host.

        Raises:
            LabError: the host has no power.
        """
        return self.node.enter(argv)

    def run(self, argv: Sequence[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside the host and return its result, whatever it is.

        Raises:
            LabError: the host has no power, or the command did not end in time.
        """
        return run_command(self.enter(argv), timeout_s=timeout_s)

    def start_service(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Run a program, again when it dies, and after each boot, until it is stopped.

        The same program again changes nothing; other words or environment restart it.  What it
        says goes to ``log_dir/<name>.log``.
        """
        self.node.start_service(Service(name, tuple(argv), dict(env or {})))

    def stop_service(self, name: str) -> None:
        """End a service and forget it; one that is not there is no error."""
        self.node.stop_service(name)

    def service_pid(self, name: str) -> int | None:
        """Return a service's process as the machine numbers it, or None when it does not run."""
        return self.node.service_pid(name)

    def power_off(self) -> None:
        """Pull the plug: everything in the host ends at once, with no clean-up."""
        self.node.power_off()

    def power_on(self) -> None:
        """Boot the host, with the same disks and services, and return when libvirt answers.

        Raises:
            LabError: it does not within a minute and a half; ``log_dir`` says more.
        """
        self.boot()
        if self.switched:
            wait_for(self.node, openvswitch.up_check(self.switched), "Open vSwitch", SWITCH_PATIENCE_S)
        wait_for(self.node, ["virsh", "-c", "qemu:///system", "uri"], "libvirt", LIBVIRT_PATIENCE_S)

    def boot(self) -> None:
        """Start the host, and do not wait for what runs on it.

        Raises:
            LabError: its first process does not come up.
        """
        home = self.node.home
        (home / "etc-libvirt").mkdir(parents=True, exist_ok=True)
        for name, text in hypervisor.settings(mgmt_ip=self.mgmt_ip, host_uuid=self.uuid).items():
            (home / "etc-libvirt" / name).write_text(text)
        self.node.power_on()
        switches = openvswitch.services(self.switched) if self.switched else ()
        for name, argv in (*switches, *hypervisor.SERVICES):
            self.start_service(name, argv)

    def powered(self) -> bool:
        """Return whether the host has power."""
        return self.init_pid is not None


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    topology: Topology
    hosts: Mapping[str, LabHost]
    storage: LabStorage | None
    witnesses: Mapping[str, LabWitness] = field(default_factory=dict)
    bmcs: Mapping[str, LabBmc] = field(default_factory=dict)

    def outside(self, argv: Sequence[str]) -> list[str]:
        """Return the words that run a command in the world outside, behind the public network's gateway."""
        return ["nsenter", f"--net=/run/netns/{self.topology.outside}", "--", *argv]

    def cut_machine(self, networks: Collection[str] = (MGMT, GUEST, PUBLIC)) -> None:
        """Cut this machine's own cables, and with them servers that run on it, off all hosts."""
        wiring.switch_ports(self.topology, MACHINE, networks, up=False)

    def join_machine(self, networks: Collection[str] = (MGMT, GUEST, PUBLIC)) -> None:
        """Mend this machine's own cables."""
        wiring.switch_ports(self.topology, MACHINE, networks, up=True)

    def separate(self, some: Collection[str], others: Collection[str], network: str = MGMT) -> None:
        """Keep some nodes from talking to others, both ways, over one network; all else passes.

        Args:
            some: names of nodes: hosts, witnesses, ``MACHINE``.
            others: the same.
            network: which network.
        """
        pairs = {(a, b) for a in some for b in others}
        wiring.separate(self.topology, pairs | {(b, a) for a, b in pairs}, network)

    def heal(self) -> None:
        """Mend every cable and end every separation."""
        wiring.reunite(self.topology)
        self.join_machine()
        nodes = [h.node for h in self.hosts.values()] + [w.node for w in self.witnesses.values()]
        for node in nodes:
            node.join(NETWORKS)


def up(topology: Topology, say: Say) -> Lab:
    """Build the lab, or complete it: what is already up stays, hosts it had before too.

    Args:
        topology: what it should be.
        say: told, line by line, what happens.

    Returns:
        The lab; its topology holds the addresses it got.

    Raises:
        LabError: this machine cannot, or something did not come up.
    """
    if reason := available():
        raise LabError(reason)
    if topology.nfs and (missing := missing_packages(nfs=True)):
        raise LabError("packages are missing: " + " ".join(missing))
    if missing := missing_packages(bmc=topology.bmc):
        raise LabError("packages are missing: " + " ".join(missing))
    topology.state_dir.mkdir(parents=True, exist_ok=True)
    with _alone(topology.state_dir):
        return _build(topology, say)


def attach(state_dir: Path) -> Lab | None:
    """Return the lab that was built in a state directory, or None; starts nothing."""
    topology = _recorded(state_dir)
    return None if topology is None else _lab(topology)


def down(state_dir: Path, say: Say) -> None:
    """Remove every trace of a lab: processes, namespaces, cables, and all its hosts' data.

    Works from what can be seen on the machine, so also after a crash and without a record, and
    does nothing where there is nothing.  Other files in the state directory stay.
    """
    with _alone(state_dir) if state_dir.is_dir() else contextlib.nullcontext():
        _remove(_recorded(state_dir) or Topology(state_dir, hosts=1), say)


def _build(topology: Topology, say: Say) -> Lab:
    topology = _settle(topology)
    _record(topology)
    say(f"lab {topology.prefix}: management {topology.mgmt_cidr}, guests {topology.guest_cidr}")
    if not machine.kvm_works():
        say("KVM does not work here: guests are emulated, which is slower but the same otherwise")
    wiring.lay_switches(topology)
    lab = _lab(topology)
    starts: list[tuple[str, Callable[[], None]]] = [(h.name, h.power_on) for h in lab.hosts.values()]
    starts += [(w.name, w.power_on) for w in lab.witnesses.values()]
    if lab.storage is not None:
        starts.append(("storage", lab.storage.power_on))
    starts += [(f"the BMC of {b.name}", b.light) for b in lab.bmcs.values()]
    with ThreadPoolExecutor(max_workers=8) as pool:
        for name, start in [(name, pool.submit(start)) for name, start in starts]:
            start.result()
            say(f"{name} is up")
    lab.heal()
    return lab


def _remove(topology: Topology, say: Say) -> None:
    state_dir = topology.state_dir
    bmcs.darken(topology)  # first, or one that was told so boots its host again
    _cut_all(topology, say)
    wiring.tear_out(topology)
    below = str(state_dir.absolute()) + "/"
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for name in _OWNED:
        path = state_dir / name
        if any((point + "/").startswith(f"{below}{name}/") for point in mounted):
            raise LabError(f"something is mounted below {path}; it is left alone")
        if path.exists():
            shutil.rmtree(path)
    (state_dir / _RECORD).unlink(missing_ok=True)
    (state_dir / f"{_RECORD}.new").unlink(missing_ok=True)
    _cut_all(topology, say)  # a host that a crashed up was about to boot
    if state_dir.is_dir() and not any(state_dir.iterdir()):
        state_dir.rmdir()


def _cut_all(topology: Topology, say: Say) -> None:
    names = sorted(powered_names(topology))
    with ThreadPoolExecutor(max_workers=8) as pool:
        for name, cut in [(name, pool.submit(cut_power, topology, name)) for name in names]:
            cut.result()
            say(f"{name} is down")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Wait until nobody else builds or removes the lab of a state directory."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _settle(topology: Topology) -> Topology:
    """Return the topology with its addresses chosen, and with the hosts it had before."""
    before = _recorded(topology.state_dir)
    if before is not None:
        hosts, nfs = max(before.hosts, topology.hosts), before.nfs or topology.nfs
        return replace(
            before,
            hosts=hosts,
            nfs=nfs,
            witnesses=max(before.witnesses, topology.witnesses),
            bmc=topology.bmc or before.bmc,
        )
    if topology.slot >= 0:
        return topology
    used = machine.networks_in_use(lambda device: device.startswith(topology.prefix))
    return replace(topology, slot=machine.free_slot(topology, used))


def _lab(topology: Topology) -> Lab:
    hosts = {f"h{i}": LabHost(topology, i) for i in range(1, topology.hosts + 1)}
    witnesses = {f"w{i}": LabWitness(topology, i) for i in range(1, topology.witnesses + 1)}
    of = {f"h{i}": LabBmc(topology, i) for i in range(1, topology.hosts + 1)} if topology.bmc else {}
    return Lab(topology, hosts, LabStorage(topology) if topology.nfs else None, witnesses, of)


def _record(topology: Topology) -> None:
    shared = topology.state_dir / "shared"
    for path in (shared, topology.primary_dir, topology.secondary_dir):
        path.mkdir(parents=True, exist_ok=True)
    names = {topology.host_mgmt_ip(i): name for i, name in enumerate(topology.host_names, start=1)}
    names |= {topology.mgmt_gateway: "management", topology.storage_server_ip: "storage"}
    names |= {topology.witness_ip(i): name for i, name in enumerate(topology.witness_names, start=1)}
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{ip} {name}" for ip, name in names.items())]
    (shared / "hosts").write_text("\n".join(lines) + "\n")
    facts = {"hosts": topology.hosts, "nfs": topology.nfs, "slot": topology.slot, "bmc": topology.bmc}
    facts["witnesses"] = topology.witnesses
    new = topology.state_dir / f"{_RECORD}.new"
    new.write_text(json.dumps(facts) + "\n")
    new.replace(topology.state_dir / _RECORD)


def _recorded(state_dir: Path) -> Topology | None:
    try:
        facts = json.loads((state_dir / _RECORD).read_text())
    except FileNotFoundError:
        return None
    return Topology(
        state_dir,
        hosts=facts["hosts"],
        nfs=facts["nfs"],
        slot=facts["slot"],
        witnesses=facts.get("witnesses", 0),
        bmc=facts.get("bmc", ""),
    )
