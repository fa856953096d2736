from __future__ import annotations

import json
from dataclasses import replace

import golden_files
import pytest

from tegar.agent.router.metadata import answer
from tegar.agent.router.render import bundle
from tegar.kernel.errors import Refused
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import NetworkSpec

WEB = GuestSpec(
    "44444444-4444-4444-8444-444444444444", "02:00:00:00:00:07", "10.1.1.7", "web",
    user_data="IyEvYmluL3NoCg==", public_keys=("ssh-ed25519 AAAA me",), meta=(("service-offering", "Small"),),
)  # fmt: skip
NET = SubnetSpec(
    network=NetworkSpec("33333333-3333-4333-8333-333333333333", "cloudbr1"),
    mac="02:00:00:00:00:02", ip="10.1.1.2", prefix_len=24, gateway="10.1.1.1", domain="cs.test",
    dns=("9.9.9.9", "1.1.1.1"), guests=(WEB, GuestSpec("77", "02:00:00:00:00:08", "10.1.1.8", "db")),
)  # fmt: skip
SPEC = RouterSpec("66666666-6666-4666-8666-666666666666", 3, (NET,))


def serving(**net: object) -> RouterSpec:
    """Return the router with another network."""
    return replace(SPEC, subnets=(replace(NET, **net),))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["dnsmasq.conf", "dhcp-hosts", "hosts", "rules.nft", "guests/10.1.1.7.json"])
def test_a_bundle_reads_as_it_should(name: str) -> None:
    golden_files.check(name.replace("/", "-"), bundle(SPEC, "/var/lib/tegar/routers/r")[name])


def test_a_new_guest_changes_no_file_that_needs_a_restart() -> None:
    before, after = bundle(replace(serving(guests=NET.guests[:1]), version=2), "/r"), bundle(SPEC, "/r")

    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"spec.json", "dhcp-hosts", "hosts", "guests/10.1.1.8.json"}


@pytest.mark.parametrize(
    "guest",
    [
        replace(WEB, hostname="web\ndhcp-script=/bin/sh"),
        replace(WEB, hostname="-web"),
        replace(WEB, mac="02:00:00:00:00:07,10.0.0.1"),
        replace(WEB, ip="10.1.1.7,evil"),
    ],
)
def test_words_that_say_more_than_a_name_are_refused(guest: GuestSpec) -> None:
    with pytest.raises(Refused):
        bundle(serving(guests=(guest,)), "/r")


def test_without_a_gateway_no_route_is_handed_out() -> None:
    text = bundle(serving(gateway=""), "/r")["dnsmasq.conf"]

    assert "tag:!second,option:router\n" in text
    assert "0.0.0.0/0" not in text


def tell(path: str) -> bytes | None:
    guest = json.loads(bundle(SPEC, "/r")["guests/10.1.1.7.json"])
    return answer(guest, path)


def test_metadata_is_found_where_cloud_init_looks() -> None:
    assert tell("/latest/user-data") == b"#!/bin/sh\n"
    assert tell("/latest/meta-data/") == (
        b"instance-id\nlocal-hostname\nlocal-ipv4\npublic-keys\nservice-offering\n"
    )
    assert tell("/latest/meta-data/local-hostname") == b"web"
    assert tell("/latest/meta-data/public-keys") == b"ssh-ed25519 AAAA me\n"
    assert tell("/latest/meta-data/public-keys/0/openssh-key") == b"ssh-ed25519 AAAA me\n"
    assert tell("/openstack/latest/user_data") == b"#!/bin/sh\n"
    told = json.loads(tell("/openstack/latest/meta_data.json") or b"")
    assert told["public_keys"] == {"key-0": "ssh-ed25519 AAAA me"}


@pytest.mark.parametrize(
    "path", ["/latest/meta-data/nothing", "/latest/nothing", "/latest/meta-data/public-keys/1"]
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert tell(path) is None
