"""Apache Libcloud's driver for CloudStack, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from libcloud.common.types import ProviderError
from libcloud.compute.drivers.cloudstack import CloudStackNodeDriver
from libcloud.compute.types import InvalidCredsError, KeyPairDoesNotExistError, NodeState, StorageVolumeState

Facts = dict[str, Any]


def connect(facts: Facts, secret: str = "") -> CloudStackNodeDriver:
    """Return a driver; it looks at jobs more often than by itself."""
    driver = CloudStackNodeDriver(
        facts["apikey"], secret or facts["secretkey"], secure=False,
        host="127.0.0.1", port=facts["port"], path="/client/api",
    )  # fmt: skip
    driver.connection.poll_interval = 0.1
    return driver


@pytest.fixture(scope="module")
def driver(facts: Facts) -> CloudStackNodeDriver:
    """A driver with the administrator's keys."""
    return connect(facts)


def create(driver: CloudStackNodeDriver, name: str, **more: Any) -> Any:
    """Create a node in the shared network."""
    return driver.create_node(
        name=name,
        size=next(s for s in driver.list_sizes() if s.name == "Tiny Instance"),
        image=driver.list_images()[0],
        location=driver.list_locations()[0],
        networks=driver.ex_list_networks(),
        **{"ex_start_vm": True, **more},
    )


@pytest.fixture
def node(driver: CloudStackNodeDriver, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A node that runs, for one test."""
    made = create(driver, f"lc{crc32(request.node.name.encode())}")
    yield made
    driver.destroy_node(made, ex_expunge=True)


def state(driver: CloudStackNodeDriver, node: Any) -> str:
    """Return what ``list_nodes`` says of a node."""
    found: str = next(n.state for n in driver.list_nodes() if n.id == node.id)
    return found


def test_the_cloud_is_listed(driver: CloudStackNodeDriver) -> None:
    sizes = {s.name: s.ram for s in driver.list_sizes()}

    assert [x.name for x in driver.list_locations()] == ["Zone1"]
    assert sizes["Tiny Instance"] == 128
    assert [i.name for i in driver.list_images()] == ["tegar-guest"]
    assert [i.name for i in driver.list_images(location=driver.list_locations()[0])] == ["tegar-guest"]
    assert [n.name for n in driver.ex_list_networks()] == ["shared"]
    assert "DefaultSharedNetworkOffering" in [o.name for o in driver.ex_list_network_offerings()]
    assert "Custom" in [o.name for o in driver.ex_list_disk_offerings()]
    assert driver.ex_list_os_types()


def test_nodes_have_private_addresses_and_no_public_ones(driver: CloudStackNodeDriver, facts: Facts) -> None:
    hello = next(n for n in driver.list_nodes() if n.name == "hello")

    assert hello.state == NodeState.RUNNING
    assert hello.public_ips == []
    assert hello.private_ips == [facts["vm_address"]]
    assert driver.ex_get_node(hello.id).private_ips == hello.private_ips
    assert driver.list_nodes(location=driver.list_locations()[0])


def test_a_shared_network_has_no_public_addresses_and_rules(driver: CloudStackNodeDriver) -> None:
    assert driver.ex_list_public_ips() == []
    assert driver.ex_list_port_forwarding_rules() == []
    assert driver.ex_list_ip_forwarding_rules() == []


def test_key_pairs_are_made_imported_listed_and_deleted(driver: CloudStackNodeDriver) -> None:
    made = driver.create_key_pair("lc-key")

    assert made.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert [k.fingerprint for k in driver.list_key_pairs() if k.name == "lc-key"] == [made.fingerprint]
    assert driver.get_key_pair("lc-key").fingerprint == made.fingerprint
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfRFwpTEJQbRwSL0pKBoXQvcWmXzUSkCxLFB5MKe0ZZ me"
    assert driver.import_key_pair_from_string("lc-mine", line).name == "lc-mine"
    for name in ("lc-key", "lc-mine"):
        driver.delete_key_pair(
            driver.get_key_pair(name)
        )  # False: it waits for the text "true" of old servers
    with pytest.raises(KeyPairDoesNotExistError):
        driver.get_key_pair("lc-key")


def test_a_node_lives_and_ends(driver: CloudStackNodeDriver) -> None:
    key = driver.create_key_pair("lc-life")
    node = create(driver, "lc-life", ex_keyname="lc-life", ex_userdata="hello", ex_displayname="Life of")

    assert node.state == NodeState.RUNNING
    assert node.private_ips[0].startswith("10.1.")
    assert driver.ex_stop(node) == "Stopped"
    assert state(driver, node) == NodeState.STOPPED
    assert driver.ex_start(node) == "Running"
    assert driver.reboot_node(node)
    assert state(driver, node) == NodeState.RUNNING
    assert driver.destroy_node(node, ex_expunge=True)
    assert node.id not in [n.id for n in driver.list_nodes()]
    driver.delete_key_pair(key)


def test_a_node_that_shall_not_start_is_left_stopped(driver: CloudStackNodeDriver) -> None:
    node = create(driver, "lc-still", ex_start_vm=False)

    assert node.state == NodeState.STOPPED
    driver.destroy_node(node, ex_expunge=True)


def test_a_node_gets_the_address_it_asks_for(driver: CloudStackNodeDriver) -> None:
    node = create(driver, "lc-there", ex_ip_address="10.1.2.77")

    assert node.private_ips == ["10.1.2.77"]
    driver.destroy_node(node, ex_expunge=True)


def test_a_volume_goes_in_and_out(driver: CloudStackNodeDriver, node: Any) -> None:
    volume = driver.create_volume(2, "lc-data", ex_volume_type="Custom")

    assert driver.attach_volume(node, volume)
    assert volume.id in [v.id for v in driver.list_volumes(node)]
    listed = driver.ex_get_volume(volume.id)
    assert (listed.size, listed.extra["instance_id"]) == (2 * 1024**3, node.id)
    assert listed.state == StorageVolumeState.INUSE
    assert driver.detach_volume(volume)
    assert driver.ex_get_volume(volume.id).state == StorageVolumeState.AVAILABLE
    assert driver.destroy_volume(volume)
    assert volume.id not in [v.id for v in driver.list_volumes()]


def test_errors_are_told(driver: CloudStackNodeDriver, facts: Facts) -> None:
    with pytest.raises(ProviderError, match="does not exist") as e:
        driver.delete_key_pair(driver._to_key_pair({"name": "nobody's", "fingerprint": ""}))

    assert e.value.http_code == 431
    with pytest.raises(InvalidCredsError):
        connect(facts, secret="wrong").list_locations()
