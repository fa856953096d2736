"""How a VM is restarted: said by its details, at deployment or later."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from support.cloud import ApiError, Cloud
from support.zone import Built
from tegar.store import dependencies
from tegar.store.vms import Vm


@pytest.fixture
def built(cloud: Cloud) -> Built:
    """A zone."""
    return cloud.ready_zone()


def deploy(cloud: Cloud, name: str, **more: Any) -> str:
    """Deploy a VM; return its uuid."""
    assert cloud.zone
    return str(cloud.do("deployVirtualMachine", **cloud.zone.vm(name=name, **more))["virtualmachine"]["id"])


def policy(cloud: Cloud, uuid: str) -> tuple[int, str, int, str]:
    """Return what the row says."""
    vm = cloud.db.read(lambda s: s.scalars(select(Vm).where(Vm.uuid == uuid)).one())
    return vm.ha_priority, vm.ha_ready, vm.ha_ready_timeout_s, vm.guest_action


def needs(cloud: Cloud, uuid: str) -> list[str]:
    """Return the names of the VMs that a VM needs."""

    def read(s: Any) -> list[str]:
        vm = s.scalars(select(Vm).where(Vm.uuid == uuid)).one()
        return [s.get(Vm, id).name for id in dependencies.needs_of(s, [vm.id])[vm.id]]

    return cloud.db.read(read)


def test_without_details_a_vm_is_restarted_by_the_defaults(cloud: Cloud, built: Built) -> None:
    assert policy(cloud, deploy(cloud, "web")) == (2, "", 120, "none")


def test_details_say_it_at_deployment_and_stay_to_be_read(cloud: Cloud, built: Built) -> None:
    said = {"ha.priority": "0", "ha.ready": "tcp:443", "ha.ready.timeout": "30", "ha.guest.action": "reset"}

    web = deploy(cloud, "web", details=said)

    assert policy(cloud, web) == (0, "tcp:443", 30, "reset")
    assert cloud.api("listVirtualMachines", id=web)["virtualmachine"][0]["details"] == said


def test_details_in_place_of_all_are_the_whole_truth(cloud: Cloud, built: Built) -> None:
    web = deploy(cloud, "web", details={"ha.priority": "0", "ha.ready": "agent"})

    cloud.api("updateVirtualMachine", id=web, displayname="still")
    assert policy(cloud, web) == (0, "agent", 120, "none")
    cloud.api("updateVirtualMachine", id=web, details={"ha.guest.action": "restart"})
    assert policy(cloud, web) == (2, "", 120, "restart")
    cloud.api("updateVirtualMachine", id=web, cleanupdetails=True)
    assert policy(cloud, web) == (2, "", 120, "none")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("ha.priority", "5", "a number from 0 to 4"),
        ("ha.priority", "high", "a number from 0 to 4"),
        ("ha.ready", "tcp:0", "tcp:PORT"),
        ("ha.ready", "tcp:65536", "tcp:PORT"),
        ("ha.ready", "http", "tcp:PORT"),
        ("ha.ready.timeout", "0", "a number from 1 to 3600"),
        ("ha.guest.action", "shoot", "one of none, reset, restart"),
        ("ha.priorty", "1", "there are only ha.priority,"),
        ("HA.Priority", "1", "there are only ha.priority,"),
    ],
)
def test_nonsense_is_refused_by_name(cloud: Cloud, built: Built, key: str, value: str, why: str) -> None:
    web = deploy(cloud, "web", details={"ha.priority": "1"})

    with pytest.raises(ApiError) as e:
        cloud.api("updateVirtualMachine", id=web, details={key: value})
    assert e.value.status == 431
    assert why in e.value.text
    assert policy(cloud, web)[0] == 1
    with pytest.raises(ApiError):
        deploy(cloud, "other", details={key: value})


def test_a_vm_needs_others_until_it_is_said_otherwise(cloud: Cloud, built: Built) -> None:
    db, cache = deploy(cloud, "db"), deploy(cloud, "cache")
    web = deploy(cloud, "web", details={"ha.depends.on": f"{db}, {cache},{db}"})

    assert needs(cloud, web) == ["db", "cache"]
    cloud.api("updateVirtualMachine", id=web, details={"ha.depends.on": cache})
    assert needs(cloud, web) == ["cache"]
    cloud.do("destroyVirtualMachine", id=cache, expunge=True)
    assert needs(cloud, web) == []
    cloud.api("updateVirtualMachine", id=web, cleanupdetails=True)


def test_circles_are_refused(cloud: Cloud, built: Built) -> None:
    a = deploy(cloud, "a")
    b = deploy(cloud, "b", details={"ha.depends.on": a})
    c = deploy(cloud, "c", details={"ha.depends.on": b})

    for needed in (a, b, c):
        with pytest.raises(ApiError, match="VM a cannot depend on a VM that depends on it"):
            cloud.api("updateVirtualMachine", id=a, details={"ha.depends.on": needed})
    assert needs(cloud, a) == []


@pytest.mark.parametrize("uuid", ["not-a-uuid", "00000000-0000-4000-8000-000000000000"])
def test_what_is_not_there_cannot_be_needed(cloud: Cloud, built: Built, uuid: str) -> None:
    web = deploy(cloud, "web")

    with pytest.raises(ApiError, match=r"Invalid parameter ha\.depends\.on value="):
        cloud.api("updateVirtualMachine", id=web, details={"ha.depends.on": uuid})


def test_vms_of_others_cannot_be_needed(cloud: Cloud, built: Built) -> None:
    theirs, alice = deploy(cloud, "theirs"), cloud.as_user()

    with pytest.raises(ApiError, match="entity does not exist"):
        alice.api("deployVirtualMachine", **built.vm(name="mine", details={"ha.depends.on": theirs}))


def test_ha_of_the_vm_goes_before_that_of_the_offering(cloud: Cloud, built: Built) -> None:
    web = deploy(cloud, "web")

    assert cloud.api("updateVirtualMachine", id=web, haenable=True)["virtualmachine"]["haenable"] is True
    cloud.do("stopVirtualMachine", id=web)
    assert cloud.do("startVirtualMachine", id=web)["virtualmachine"]["haenable"] is True
