"""What this machine can do: found out by trying, never assumed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from ipaddress import IPv4Network
from pathlib import Path

from tegar.lab.command import must, run
from tegar.lab.errors import LabError
from tegar.lab.openvswitch import PACKAGE as OPEN_VSWITCH
from tegar.lab.topology import SLOTS, Topology

_SYSTEM_PATH = os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin"
_KVM_PATIENCE_S = 5

_BINARIES = {
    "iproute2": ("ip",),
    "ethtool": ("ethtool",),
    "util-linux": ("unshare", "nsenter", "setsid"),
    "libvirt-daemon-system": (),
    "libvirt-daemon": ("libvirtd", "virtlogd"),
    "libvirt-daemon-driver-qemu": (),
    "libvirt-clients": ("virsh",),
    "qemu-system-x86": ("qemu-system-x86_64",),
    "qemu-utils": ("qemu-img",),
    "qemu-block-extra": (),
    "dnsmasq-base": ("dnsmasq",),
    "nftables": ("nft",),
    "mtools": ("mcopy",),
    "syslinux": ("syslinux",),
    "syslinux-common": (),
    "cpio": ("cpio",),
    "gcc": ("gcc",),
    "libc6-dev": (),
}
_FILES = {
    "libc6-dev": "/usr/include/stdio.h",
    "libvirt-daemon-driver-qemu": "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
    "qemu-block-extra": "/usr/lib/*/qemu/block-nfs.so",
    "syslinux-common": "/usr/lib/syslinux/mbr/mbr.bin",
}
_SWITCH_BINARIES = {OPEN_VSWITCH: ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")}
_NFS_BINARIES = {"nfs-ganesha": ("ganesha.nfsd",), "rpcbind": ("rpcbind",)}
_IPMI_BINARIES = {"openipmi": ("ipmi_sim",), "ipmitool": ("ipmitool",)}
_NFS_FILES = {"nfs-ganesha-vfs": "/usr/lib/*/ganesha/libfsalvfs.so"}

REQUIRED_PACKAGES: tuple[str, ...] = tuple(_BINARIES)
"""Debian packages the lab needs (and the guest image's build)."""

NFS_PACKAGES: tuple[str, ...] = (*_NFS_BINARIES, *_NFS_FILES)
"""Debian packages a lab with an NFS server needs besides."""


def missing_packages(*, nfs: bool = False, bmc: str = "") -> tuple[str, ...]:
    """Return the packages whose programs are not here: Debian's, and one of PyPI for Redfish."""
    binaries = _BINARIES | (_NFS_BINARIES if nfs else {}) | (_IPMI_BINARIES if bmc == "ipmi" else {})
    binaries |= {} if has_vlan_devices() else _SWITCH_BINARIES
    files = _FILES | (_NFS_FILES if nfs else {})
    missing = [p for p, tools in binaries.items() if not all(_which(t) for t in tools)]
    missing += [p for p, pattern in files.items() if not any(Path("/").glob(pattern.lstrip("/")))]
    missing += ["sushy-tools"] if bmc == "redfish" and find_spec("sushy_tools") is None else []
    return tuple(dict.fromkeys(missing))


def _which(tool: str) -> str | None:
    return shutil.which(tool) or shutil.which(tool, path=_SYSTEM_PATH)


def available() -> str | None:
    """Return None when the lab can run here, else the reason, in words."""
    if os.geteuid() != 0:
        return "the lab needs root: it makes namespaces and networks"
    if missing := missing_packages():
        return "packages are missing: " + " ".join(missing)
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun, so guests cannot have network cards"
    attempts = (
        (
            "namespaces",
            ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "true"],
        ),
        ("bridges", ["unshare", "--net", "ip", "link", "add", "probe0", "type", "bridge"]),
        (
            "veth pairs",
            ["unshare", "--net", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"],
        ),
    )
    for what, argv in attempts:
        try:
            must(argv, timeout_s=10)
        except LabError as e:
            return f"this machine does not let us make {what}: {e}"
    return None


@cache
def kvm_works() -> bool:
    """Return whether QEMU can use KVM here; a /dev/kvm that hangs is one that does not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    flags = Path("/proc/cpuinfo").read_text().split()
    if "vmx" not in flags and "svm" not in flags:
        return False
    argv = [
        "qemu-system-x86_64",
        "-accel",
        "kvm",
        "-nodefaults",
        "-display",
        "none",
        "-S",
        "-monitor",
        "stdio",
    ]
    probe = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        probe.communicate(b"quit\n", timeout=_KVM_PATIENCE_S)
    except subprocess.TimeoutExpired:
        probe.kill()  # and do not wait: it may spin in the kernel
        return False
    return probe.returncode == 0


@cache
def has_vlan_devices() -> bool:
    """Return whether this kernel has 802.1Q devices; without them hosts cut VLANs by Open vSwitch."""
    veth = ["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]
    vlan = ["ip", "link", "add", "link", "probe0", "name", "probe2", "type", "vlan", "id", "1"]
    return run(["unshare", "--net", "sh", "-c", f"{' '.join(veth)} && {' '.join(vlan)}"]).returncode == 0


def has_nfs_client() -> bool:
    """Return whether this kernel can mount NFS; QEMU can open ``nfs://`` without it."""
    return any(line.split()[-1:] == ["nfs"] for line in Path("/proc/filesystems").read_text().splitlines())


def networks_in_use(ours: Callable[[str], bool]) -> list[IPv4Network]:
    """Return the networks this machine has routes to, leaving out interfaces that are *ours*."""
    used = []
    for line in run(["ip", "-4", "-o", "route", "show", "table", "all"]).stdout.splitlines():
        words = line.split()
        device = words[words.index("dev") + 1] if "dev" in words else ""
        target = words[1] if words[0] in {"local", "broadcast", "unreachable", "blackhole"} else words[0]
        if target != "default" and not ours(device):
            used.append(IPv4Network(target, strict=False))
    return used


def free_slot(topology: Topology, used: Iterable[IPv4Network]) -> int:
    """Return the first slot from the preferred one on whose addresses nobody uses.

    Raises:
        LabError: all are in use.
    """
    taken = list(used)
    for step in range(SLOTS):
        slot = (topology.preferred_slot + step) % SLOTS
        network = Topology(topology.state_dir, topology.hosts, slot=slot).network
        if not any(network.overlaps(other) for other in taken):
            return slot
    raise LabError("all of 10.64.0.0/10 is in use on this machine")
