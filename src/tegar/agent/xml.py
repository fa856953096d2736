"""A domain as libvirt wants to read it.  Pure: specs in, text out.

Choices, and why:

- machine ``pc``: its PCI hot-plug goes through ACPI, which every kernel has built in; q35 needs a
  free root port for each later device and a driver for them in the guest.
- KVM guests see the host's CPU (``host-model``; libvirt refuses a migration to a lesser host).
  Under TCG the host's CPU does not matter: ``Nehalem`` is the x86-64-v2 that TCG has in full.
- disks stop the guest on an I/O error: storage that comes back finds it paused, not corrupted.
- the console is a pty with a log kept by virtlogd; the display listens where consoles are proxied from.
- a second control socket is for the agent's hands alone: they pause and resume without libvirt.
- a watchdog device that the guest may pet; it does nothing by itself when it is not, but is reported.
- ``unlocked`` starts use a QEMU that takes no image locks (``qemu-unlocked``).
- a NIC's end on the host has a name made from the NIC's uuid, the same wherever the guest moves.
- where frames are switched in user space guests fill in checksums, for nobody else would.
- the SMBIOS product is the one cloud-init's CloudStack data source looks for.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tegar.agent.places import DiskSource
from tegar.agent.segment.plan import Segment, nic_device
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec

NAMESPACE = "https://tegar.cloud/xmlns/domain/1"
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
MONITOR = "tegar-hands"
_OFFLOADS = ("csum", "tso4", "tso6", "ecn", "gso")  # the last is of the host's side alone
ET.register_namespace("tegar", NAMESPACE)
ET.register_namespace("qemu", QEMU_NAMESPACE)


@dataclass(frozen=True)
class Options:
    """What the host adds to a spec.

    ``cpu_model`` empty: by accelerator; ``shares``: CPU weights work; ``sockets``: where control
    sockets are made; ``unlocked``: the emulator that takes no locks.
    """

    accel: str
    display_address: str = "127.0.0.1"
    log_dir: str = "/var/log/tegar"
    cpu_model: str = ""
    shares: bool = True
    sockets: str = "/run/tegar/qmp"
    unlocked: str = "/usr/lib/tegar/qemu-unlocked"


def domain_xml(
    spec: DomainSpec,
    sources: Mapping[str, DiskSource],
    segments: Mapping[NetworkSpec, Segment],
    options: Options,
    *,
    unlocked: bool = False,
) -> str:
    """Return the domain's XML.

    Args:
        spec: what to run.
        sources: what to open for each disk, by volume uuid.
        segments: what each NIC is plugged into, by network.
        options: what this host is and has.
        unlocked: take no locks on images.
    """
    root = ET.Element("domain", type="kvm" if options.accel == "kvm" else "qemu")
    _text(root, "name", spec.name)
    _text(root, "uuid", spec.uuid)
    ET.SubElement(ET.SubElement(root, "metadata"), f"{{{NAMESPACE}}}vm", version="1")
    _text(root, "memory", str(spec.memory_bytes // 1024), unit="KiB")
    _text(root, "vcpu", str(spec.cpus), placement="static")
    if options.shares:
        _text(ET.SubElement(root, "cputune"), "shares", str(_shares(spec)))
    _machine(root, spec, options)
    for event, then in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _text(root, f"on_{event}", then)
    devices = ET.SubElement(root, "devices")
    if unlocked:
        _text(devices, "emulator", options.unlocked)
    for disk in sorted(spec.disks, key=lambda d: d.device_id):
        devices.append(_disk(disk, sources[disk.volume_uuid]))
    for nic in sorted(spec.nics, key=lambda n: n.device_id):
        devices.append(_nic(nic, segments[nic.network]))
    _consoles(devices, spec, options)
    ET.SubElement(devices, "watchdog", model="i6300esb", action="none")
    _monitor(root, spec, options)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def disk_xml(disk: DiskSpec, source: DiskSource) -> str:
    """Return one disk's XML, for plugging and unplugging."""
    return ET.tostring(_disk(disk, source), encoding="unicode")


def nic_xml(nic: NicSpec, segment: Segment, *, cable: bool = True) -> str:
    """Return one NIC's XML, for plugging and unplugging; without its cable the guest sees no carrier."""
    element = _nic(nic, segment)
    if not cable:
        ET.SubElement(element, "link", state="down")
    return ET.tostring(element, encoding="unicode")


def serial(volume_uuid: str) -> str:
    """Return the serial number the guest sees; virtio-blk has room for 20 characters."""
    return volume_uuid.replace("-", "")[:20]


def disk_device(device_id: int) -> str:
    """Return vda, vdb, … vdz, vdaa and so on."""
    letters = string.ascii_lowercase
    return (
        f"vd{letters[device_id]}"
        if device_id < 26
        else f"vd{letters[device_id // 26 - 1]}{letters[device_id % 26]}"
    )


def _shares(spec: DomainSpec) -> int:
    """Return the CPU weight, within what both versions of control groups take."""
    return max(2, min(10_000, spec.cpus * spec.cpu_mhz // 10))


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _machine(root: ET.Element, spec: DomainSpec, options: Options) -> None:
    """Add firmware, CPU, clock and the identity the guest sees."""
    info = ET.SubElement(ET.SubElement(root, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "Tegar"),
        ("product", "CloudStack KVM Hypervisor"),
        ("uuid", spec.uuid),
    ):
        _text(info, "entry", value, name=name)
    machine = ET.SubElement(root, "os")
    _text(machine, "type", "hvm", arch="x86_64", machine="pc")
    ET.SubElement(machine, "boot", dev="hd")
    ET.SubElement(machine, "smbios", mode="sysinfo")
    features = ET.SubElement(root, "features")
    for feature in ("acpi", "apic"):
        ET.SubElement(features, feature)
    if options.accel == "kvm" and not options.cpu_model:
        ET.SubElement(root, "cpu", mode="host-model", check="partial")
    else:
        cpu = ET.SubElement(root, "cpu", mode="custom", match="exact", check="none")
        _text(cpu, "model", options.cpu_model or "Nehalem", fallback="forbid")
    clock = ET.SubElement(root, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    ET.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    ET.SubElement(clock, "timer", name="hpet", present="no")


def _disk(disk: DiskSpec, source: DiskSource) -> ET.Element:
    kind = "network" if source.root.server else "file"
    element = ET.Element("disk", type=kind, device="disk")
    ET.SubElement(
        element, "driver", name="qemu", type="qcow2", cache=source.cache,
        discard="unmap", error_policy="stop", rerror_policy="stop",
    )  # fmt: skip
    if source.root.server:
        # QEMU follows the image's own (relative) backing file; libvirt does not look into NFS chains.
        server = ET.SubElement(element, "source", protocol="nfs", name=source.path)
        ET.SubElement(server, "host", name=source.root.server)
        ET.SubElement(server, "nfs", user="+0", group="+0")
    else:
        ET.SubElement(element, "source", file=source.path)
    ET.SubElement(element, "target", dev=disk_device(disk.device_id), bus="virtio")
    _text(element, "serial", serial(disk.volume_uuid))
    return element


def _nic(nic: NicSpec, segment: Segment) -> ET.Element:
    """Return a NIC on its segment."""
    element = ET.Element("interface", type="bridge")
    ET.SubElement(element, "mac", address=nic.mac)
    ET.SubElement(element, "source", bridge=segment.bridge)
    if segment.tag is not None:
        ET.SubElement(ET.SubElement(element, "vlan"), "tag", id=str(segment.tag))
        port = ET.SubElement(element, "virtualport", type="openvswitch")
        ET.SubElement(port, "parameters", interfaceid=nic.nic_uuid)
    ET.SubElement(element, "target", dev=nic_device(nic.nic_uuid))
    ET.SubElement(element, "model", type="virtio")
    if segment.soft:
        driver = ET.SubElement(element, "driver")
        ET.SubElement(driver, "host", dict.fromkeys(_OFFLOADS, "off"))
        ET.SubElement(driver, "guest", dict.fromkeys(_OFFLOADS[:4], "off"))
    if segment.mtu:
        ET.SubElement(element, "mtu", size=str(segment.mtu))
    return element


def _monitor(root: ET.Element, spec: DomainSpec, options: Options) -> None:
    """Add the hands' own control socket."""
    line = ET.SubElement(root, f"{{{QEMU_NAMESPACE}}}commandline")
    socket = f"socket,id={MONITOR},path={options.sockets}/{spec.uuid}.sock,server=on,wait=off"
    for argument in ("-chardev", socket, "-mon", f"chardev={MONITOR},mode=control"):
        ET.SubElement(line, f"{{{QEMU_NAMESPACE}}}arg", value=argument)


def _consoles(devices: ET.Element, spec: DomainSpec, options: Options) -> None:
    """Add consoles, the guest agent's channel, the balloon and random numbers."""
    port = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(port, "log", file=f"{options.log_dir}/{spec.name}.log", append="on")
    ET.SubElement(port, "target", port="0")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    ET.SubElement(devices, "input", type="tablet", bus="usb")
    display = ET.SubElement(devices, "graphics", type="vnc", autoport="yes")
    ET.SubElement(display, "listen", type="address", address=options.display_address)
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga", vram="16384", heads="1")
    balloon = ET.SubElement(devices, "memballoon", model="virtio")
    ET.SubElement(balloon, "stats", period="10")
    random = ET.SubElement(devices, "rng", model="virtio")
    _text(random, "backend", "/dev/urandom", model="random")
