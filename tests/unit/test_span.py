"""Addresses, VLANs, checksums and addresses of agents, as operators write them."""

from __future__ import annotations

import pytest

from tegar.kernel.errors import TegarError
from tegar.model import checksum, vlan
from tegar.model.span import span, subnet
from tegar.ops.host import agent_url
from tegar.ops.image_store import clean_url
from tegar.ops.pool import place


def test_a_range_counts_both_ends() -> None:
    found = span(subnet("10.0.0.1", "255.255.255.0"), "10.0.0.10", "10.0.0.12")

    assert len(found) == 3
    assert list(found.addresses()) == ["10.0.0.10", "10.0.0.11", "10.0.0.12"]


def test_ranges_that_touch_do_not_overlap() -> None:
    within = subnet("10.0.0.1", "255.255.255.0")
    low, high = span(within, "10.0.0.10", "10.0.0.12"), span(within, "10.0.0.13", None)

    assert not low.overlaps(high)
    assert low.overlaps(span(within, "10.0.0.12", "10.0.0.20"))


@pytest.mark.parametrize("netmask", ["255.255.255.255", "0.0.0.0", "255.0.255.0", "24", ""])
def test_only_netmasks_are_netmasks(netmask: str) -> None:
    with pytest.raises(TegarError, match="netmask"):
        subnet("10.0.0.1", netmask)


@pytest.mark.parametrize(("start", "end"), [("10.0.0.0", None), ("10.0.0.250", "10.0.0.255"), ("::1", None)])
def test_only_addresses_of_hosts_are_given_to_guests(start: str, end: str | None) -> None:
    with pytest.raises(TegarError):
        span(subnet("10.0.0.1", "255.255.255.0"), start, end)


@pytest.mark.parametrize(
    ("text", "found"),
    [("untagged", "untagged"), ("vlan://UNTAGGED", "untagged"), ("vlan://7", "7"), ("0042", "42")],
)
def test_vlans_have_one_form(text: str, found: str) -> None:
    assert vlan.normal(text) == found


@pytest.mark.parametrize("text", ["0", "4095", "-1", "x", "", "1-2", "vlan://"])
def test_what_is_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(TegarError, match="VLAN from 1 to 4094"):
        vlan.normal(text)


def test_ranges_of_vlans_have_one_form() -> None:
    assert vlan.ranges("100-200, 300") == "100-200,300-300"
    with pytest.raises(TegarError):
        vlan.ranges("200-100")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A" * 32, "{MD5}" + "a" * 32),
        ("{sha256}" + "0" * 64, "{SHA-256}" + "0" * 64),
        ("{SHA-512}" + "0" * 128, "{SHA-512}" + "0" * 128),
        ("1" * 40, "{SHA-1}" + "1" * 40),
    ],
)
def test_checksums_have_one_form(text: str, found: str) -> None:
    assert checksum.normal(text) == found


@pytest.mark.parametrize("text", ["", "xyz", "{MD5}" + "0" * 40, "0" * 33, "{CRC}" + "0" * 32])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(TegarError):
        checksum.normal(text)


@pytest.mark.parametrize(
    ("text", "hypervisor", "found"),
    [
        ("http://10.1.0.11", "KVM", "https://10.1.0.11:8250"),
        ("H1.Example.org", "KVM", "https://h1.example.org:8250"),
        ("https://h1:9000/", "KVM", "https://h1:9000"),
        ("http://[fd00::1]", "KVM", "https://[fd00::1]:8250"),
        ("http://sim/h1", "Simulator", "http://sim/h1"),
    ],
)
def test_agents_have_one_address(text: str, hypervisor: str, found: str) -> None:
    assert agent_url(text, hypervisor) == found


@pytest.mark.parametrize(
    ("text", "hypervisor"),
    [
        ("http://user:pw@h1", "KVM"), ("ftp://h1", "KVM"), ("http://h1/path", "KVM"), ("http://h1:99999", "KVM"),
        ("", "KVM"), ("http://h1?x=1", "KVM"), ("http://h1", "Simulator"), ("http://sim/", "Simulator"),
        ("http://sim/a/b", "Simulator"),
    ],
)  # fmt: skip
def test_what_is_no_agent_is_refused(text: str, hypervisor: str) -> None:
    with pytest.raises(TegarError, match="url"):
        agent_url(text, hypervisor)


def test_pools_and_stores_have_one_address() -> None:
    nfs, shared = place("nfs://NAS.lan//export/primary/"), place("SharedMountPoint://localhost/mnt/x")

    assert (nfs.server, nfs.path) == ("nas.lan", "/export/primary")
    assert (shared.server, shared.path) == ("", "/mnt/x")
    assert clean_url("NFS", "nfs://nas/export/") == "nfs://nas/export"
    assert clean_url("Local", "file:///mnt/x") == "file:///mnt/x"
    for provider, url in (
        ("NFS", "file:///x"),
        ("Local", "nfs://a/b"),
        ("Local", "file://host/x"),
        ("NFS", "nfs://a"),
    ):
        with pytest.raises(TegarError, match="url"):
            clean_url(provider, url)
