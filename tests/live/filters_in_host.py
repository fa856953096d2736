"""Filters seen by real packets.  Run inside of a lab host by ``test_filters.py``; ``TEGAR_SWITCH`` is linux or ovs.

Guests are namespaces here: what a filter does to their frames is the same, and a test takes no second.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tegar.agent.segment.filters import NicFilters
from tegar.agent.segment.plan import nic_device
from tegar.agent.segment.rules import link_local
from tegar.agent.segment.service import HostSegments
from tegar.model.rule import Match, Protocol
from tegar.model.spec import NetworkSpec, NicFilter, NicSpec, SecurityRules

KIND = os.environ.get("TEGAR_SWITCH", "")
LABEL = "cloudbr1" if KIND == "ovs" else "lbr0"
NEWNET = 0x40000000
MANY, NOBODY = "ff:ff:ff:ff:ff:ff", "0.0.0.0"
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*argv: str) -> str:
    """Run a command that has to succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def socket_in(space: str, *kind: int) -> socket.socket:
    """Make a socket in a namespace; it stays there whatever its thread does."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space}", os.O_RDONLY)
    try:
        assert _libc.setns(there, NEWNET) == 0
        made = socket.socket(*kind)
    finally:
        assert _libc.setns(home, NEWNET) == 0
        os.close(home)
        os.close(there)
    made.settimeout(2)
    return made


@dataclass(frozen=True)
class End:
    """A guest: a namespace with one interface, plugged in as a NIC is."""

    number: int
    nic: NicSpec
    vm: str

    @property
    def space(self) -> str:
        """Its namespace."""
        return f"end{self.number}"

    @property
    def raw(self) -> socket.socket:
        """A new socket for frames."""
        made = socket_in(self.space, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("eth0", 3))
        return made


class Ground:
    """A segment with ends plugged in."""

    def __init__(self, folder: Path, network: NetworkSpec) -> None:
        self.network, self.segments = network, HostSegments()
        self.filters = NicFilters(folder, self.segments.ensure)
        self.segments.on_plug = self.filters.refresh
        self.ends: list[End] = []

    def plug(self, number: int, network: NetworkSpec | None = None) -> End:
        """Plug an end in, not filtered yet."""
        nic = NicSpec(
            str(uuid.uuid4()), network or self.network, f"02:00:00:00:07:{number:02x}", f"10.9.0.{number}", 0
        )
        end = End(number, nic, str(uuid.uuid4()))
        device, segment = nic_device(nic.nic_uuid), self.segments.ensure(nic.network)
        sh("ip", "netns", "add", end.space)
        sh(
            "ip",
            "link",
            "add",
            device,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "address",
            nic.mac,
            "netns",
            end.space,
        )
        inside = ("ip", "netns", "exec", end.space)
        sh(*inside, "ethtool", "-K", "eth0", "tx", "off", "rx", "off")
        self.segments.plug(segment, device)
        if segment.tag is not None:
            sh("ovs-vsctl", "set", "Interface", device, f"external_ids:iface-id={nic.nic_uuid}")
        for words in (f"addr add {nic.ip}/24 dev eth0", "link set eth0 up", "link set lo up"):
            sh("ip", "-n", end.space, *words.split())
        self.ends.append(end)
        return end

    def filter(self, end: End, filter: NicFilter | None) -> None:
        """Set the filter of an end."""
        self.filters.set(end.vm, (replace(end.nic, filter=filter),))

    def clear(self) -> None:
        """Take all ends away."""
        for end in self.ends:
            self.segments.unplug(nic_device(end.nic.nic_uuid))
            sh("ip", "link", "del", nic_device(end.nic.nic_uuid))
            sh("ip", "netns", "del", end.space)
            self.filters.forget(end.vm)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A segment of the label: a VLAN where it can be cut."""
    if KIND == "linux" and subprocess.run(["ip", "link", "show", LABEL], capture_output=True).returncode:
        sh("ip", "link", "add", LABEL, "type", "bridge", "mcast_snooping", "0")
        sh("ip", "link", "set", LABEL, "up")
    made = Ground(tmp_path / "filters", NetworkSpec(str(uuid.uuid4()), LABEL, 300 if KIND == "ovs" else None))
    yield made
    made.clear()


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ether(source: str, to: str, kind: int, payload: bytes) -> bytes:
    return (mac(to) + mac(source) + struct.pack(">H", kind) + payload).ljust(60, b"\0")


def udp(source: str, to: str, from_ip: str, to_ip: str, sport: int, dport: int) -> bytes:
    body = struct.pack(">HHHH", sport, dport, 12, 0) + b"word"
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0)
    head += socket.inet_aton(from_ip) + socket.inet_aton(to_ip)
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return ether(source, to, 0x0800, head + body)


def arp(source: str, to: str, says_mac: str, says_ip: str, about: str, operation: int = 1) -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + mac(says_mac) + socket.inet_aton(says_ip)
    return ether(source, to, 0x0806, body + b"\0" * 6 + socket.inet_aton(about))


def icmp6(source: str, to: str, from_ip: str, to_ip: str, kind: int, target: str = "::") -> bytes:
    body = struct.pack(">BBHI", kind, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, target)
    addresses = socket.inet_pton(socket.AF_INET6, from_ip) + socket.inet_pton(socket.AF_INET6, to_ip)
    total = checksum(addresses + struct.pack(">II", len(body), 58) + body)
    body = body[:2] + struct.pack(">H", total) + body[4:]
    return ether(source, to, 0x86DD, struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + addresses + body)


def arrive(sender: End, receiver: End, frames: dict[str, bytes]) -> set[str]:
    """Send frames and return the names of those that arrived; one that may pass tells that others had their chance.

    Switches in user space sort frames into batches, and br_netfilter cuts padding off.
    """
    last = arp(sender.nic.mac, MANY, sender.nic.mac, sender.nic.ip, f"10.9.0.{200 + os.urandom(1)[0] % 50}")
    with sender.raw as out, receiver.raw as back:
        for frame in frames.values():
            out.send(frame)
        out.send(last)
        seen, deadline_s = [], time.monotonic() + 5
        while last not in seen:
            assert time.monotonic() < deadline_s, "not even the honest frame arrived"
            seen.append(back.recv(2048))
        back.settimeout(0.3)
        while True:
            try:
                seen.append(back.recv(2048))
            except TimeoutError:
                break
    whole = {frame.rstrip(b"\0") for frame in seen}
    return {name for name, frame in frames.items() if frame.rstrip(b"\0") in whole}


def connects(client: End, server: End, port: int, patience_s: float = 2) -> socket.socket | None:
    """Return the client's end of a connection, None when there is none within two seconds."""
    listener = socket_in(server.space, socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((server.nic.ip, port))
    listener.listen()
    caller = socket_in(client.space, socket.AF_INET, socket.SOCK_STREAM)
    caller.settimeout(patience_s)
    try:
        caller.connect((server.nic.ip, port))
    except OSError:
        caller.close()
        listener.close()
        return None
    answerer, _ = listener.accept()
    _alive.append(answerer)
    listener.close()
    return caller


_alive: list[socket.socket] = []


@pytest.fixture(autouse=True)
def no_sockets_left() -> Iterator[None]:
    yield
    while _alive:
        _alive.pop().close()


def reaches(client: End, server: End, port: int = 80, patience_s: float = 2) -> bool:
    """Return whether a connection can be made."""
    made = connects(client, server, port, patience_s)
    if made:
        made.close()
    return made is not None


def tcp(first: int, last: int = 0, sources: Sequence[str] = (), to: Sequence[str] = ()) -> Match:
    return Match(Protocol.TCP, tuple(sources), tuple(to), first, last or first)


def frames_of(a: End, b: End) -> dict[str, bytes]:
    """Return honest frames, and what nobody may say."""
    me, you, other, ll = a.nic, b.nic, "02:00:00:00:07:ee", link_local(mac(a.nic.mac))
    return {
        "honest udp": udp(me.mac, you.mac, me.ip, you.ip, 1000, 2000),
        "honest second address": udp(me.mac, you.mac, "10.9.0.77", you.ip, 1000, 2000),
        "honest arp": arp(me.mac, MANY, me.mac, me.ip, you.ip),
        "honest probe": arp(me.mac, MANY, me.mac, NOBODY, me.ip),
        "honest dhcp client": udp(me.mac, MANY, NOBODY, "255.255.255.255", 68, 67),
        "honest neighbour": icmp6(me.mac, you.mac, ll, "fe80::1", 136, ll),
        "other mac": udp(other, you.mac, me.ip, you.ip, 1000, 2000),
        "other ip": udp(me.mac, you.mac, "10.9.0.99", you.ip, 1000, 2000),
        "arp of another ip": arp(me.mac, MANY, me.mac, "10.9.0.1", you.ip),
        "arp of another mac": arp(me.mac, MANY, other, me.ip, you.ip),
        "arp answer for another": arp(me.mac, you.mac, me.mac, "10.9.0.1", you.ip, 2),
        "dhcp server": udp(me.mac, MANY, me.ip, "255.255.255.255", 67, 68),
        "router of ipv6": icmp6(me.mac, you.mac, ll, "ff02::1", 134),
        "neighbour that is another": icmp6(me.mac, you.mac, ll, "fe80::1", 136, "fe80::1"),
        "ipv6 of another": icmp6(me.mac, you.mac, "fe80::99", "fe80::1", 135, "fe80::1"),
        "tagged": ether(me.mac, you.mac, 0x8100, struct.pack(">HH", 100, 0x0800) + b"\x45"),
    }


def test_a_nic_speaks_for_itself_alone(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter(("10.9.0.77",)))

    arrived = arrive(a, b, frames_of(a, b))

    assert arrived == {name for name in frames_of(a, b) if name.startswith("honest")}


def test_without_its_guard_a_nic_says_what_it_likes_but_leaves_its_vlan_not(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter(spoof_guard=False))

    assert arrive(a, b, frames_of(a, b)) == set(frames_of(a, b)) - {"tagged"}


def test_a_guest_does_not_reach_the_host(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    sh("ip", "link", "set", LABEL, "up")
    host_mac = Path(f"/sys/class/net/{LABEL}/address").read_text().strip()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as ear:
        ear.bind((LABEL, 3))
        ear.settimeout(0.5)
        ground.filter(a, NicFilter())
        frames = {
            "to the host": udp(a.nic.mac, host_mac, a.nic.ip, "10.9.0.250", 1000, 2000),
            "to all": udp(a.nic.mac, MANY, a.nic.ip, "255.255.255.255", 1000, 2000),
        }
        arrived = arrive(a, b, frames)
        heard = []
        try:
            while KIND == "ovs":
                heard.append(ear.recv(2048))
        except TimeoutError:
            pass
    assert "to all" in arrived
    assert not [frame for frame in heard if frame in frames.values()]
    sh("ip", "addr", "add", "10.9.0.250/24", "dev", LABEL)
    try:
        said = subprocess.run(
            ["ip", "netns", "exec", a.space, "busybox", "ping", "-c1", "-W1", "10.9.0.250"],
            capture_output=True,
        )
        assert said.returncode != 0
    finally:
        sh("ip", "addr", "del", "10.9.0.250/24", "dev", LABEL)


def test_groups_let_in_what_they_name_and_answers_to_what_went_out(ground: Ground) -> None:
    a, b, c = ground.plug(11), ground.plug(12), ground.plug(13)
    ground.filter(a, NicFilter())
    ground.filter(c, NicFilter())
    assert reaches(a, b)

    ground.filter(b, NicFilter(groups=SecurityRules()))
    assert not reaches(a, b)
    assert reaches(b, a)

    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(80, 82, [f"{a.nic.ip}/32"]),)), version=1))
    assert [reaches(a, b, port) for port in (79, 80, 81, 82, 83)] == [False, True, True, True, False]
    assert not reaches(c, b)

    ground.filter(b, NicFilter(version=0))  # older than what is in force
    assert not reaches(c, b)


def test_a_revoked_rule_ends_no_connection_but_lets_none_begin(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter())
    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(80),))))
    line = connects(a, b, 80)
    assert line
    answerer = _alive[-1]
    for round in range(1, 6):
        ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(80),)), version=2 * round))
        assert reaches(a, b)
        ground.filter(b, NicFilter(groups=SecurityRules(), version=2 * round + 1))
        assert not reaches(a, b, patience_s=0.2)
    with line:
        line.send(b"still here")
        assert answerer.recv(100) == b"still here"
    again = NicFilters(ground.filters._folder, ground.segments.ensure)  # a new agent
    again.refresh()
    assert not reaches(a, b)


def test_egress_is_free_until_a_rule_names_something(ground: Ground) -> None:
    a, b, c = ground.plug(11), ground.plug(12), ground.plug(13)
    for end in (b, c):
        ground.filter(end, NicFilter())
    ground.filter(a, NicFilter(groups=SecurityRules()))
    assert reaches(a, b)

    ground.filter(a, NicFilter(groups=SecurityRules(egress=(tcp(80, to=[f"{b.nic.ip}/32"]),)), version=1))

    assert reaches(a, b)
    assert not reaches(a, b, 81)
    assert not reaches(a, c)


def test_of_frames_to_all_a_guest_in_groups_hears_what_a_link_needs(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter(spoof_guard=False))
    ground.filter(b, NicFilter(groups=SecurityRules()))
    me, ll = a.nic, link_local(mac(a.nic.mac))
    needed = {
        "arp": arp(me.mac, MANY, me.mac, me.ip, b.nic.ip),
        "dhcp answer": udp(me.mac, MANY, "10.9.0.1", "255.255.255.255", 67, 68),
        "neighbour": icmp6(me.mac, "33:33:00:00:00:01", ll, "ff02::1", 135),
    }
    other = {"udp to all": udp(me.mac, MANY, me.ip, "10.9.0.255", 1000, 2000)}

    assert arrive(a, b, {**needed, **other}) == set(needed)


def test_two_filtered_guests_each_keep_their_own_rules(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter(groups=SecurityRules(egress=(tcp(80), tcp(81)))))
    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(81), tcp(82)))))

    assert [reaches(a, b, port) for port in (80, 81, 82)] == [False, True, False]


def test_a_guest_that_comes_later_is_heard_by_those_in_groups(ground: Ground) -> None:
    b = ground.plug(12)
    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(80),))))
    a = ground.plug(11)
    ground.filter(a, NicFilter())

    assert reaches(a, b)


@pytest.mark.skipif(KIND != "ovs", reason="of Open vSwitch")
def test_filters_are_set_again_when_the_switch_was_restarted(ground: Ground) -> None:
    a, b = ground.plug(11), ground.plug(12)
    ground.filter(a, NicFilter())
    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(tcp(80),))))
    stop, pid = threading.Event(), Path("/run/openvswitch/ovs-vswitchd.pid")
    watch = threading.Thread(target=ground.filters.watch, args=(stop, 0.1))
    watch.start()
    try:
        sh("kill", "-9", pid.read_text().strip())
        deadline_s = time.monotonic() + 60
        while not (reaches(a, b) and not reaches(a, b, 81, patience_s=0.3)):
            assert time.monotonic() < deadline_s
        spoofed = {"other": udp(a.nic.mac, b.nic.mac, "10.9.0.99", b.nic.ip, 1000, 80)}
        assert arrive(a, b, spoofed) == set()
    finally:
        stop.set()
        watch.join()


@pytest.mark.skipif(KIND != "ovs", reason="of Open vSwitch")
def test_another_vlan_reaches_nobody_in_a_group(ground: Ground) -> None:
    b, stranger = ground.plug(12), ground.plug(14, replace(ground.network, vlan=301))
    ground.filter(b, NicFilter(groups=SecurityRules(ingress=(Match(Protocol.ALL),))))
    ground.filter(stranger, NicFilter())

    sh("ip", "-n", stranger.space, "neigh", "add", b.nic.ip, "lladdr", b.nic.mac, "dev", "eth0")
    assert not reaches(stranger, b)
