"""While a host is suspect, and until what ran on it runs again, nobody else is given the room its VMs need."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Cloud, JobFailed
from support.leases import guard
from support.zone import Built
from tegar.ha import due, lost
from tegar.model.lease import Proof
from tegar.model.settings import HA_HOSTS_TOLERATED
from tegar.store.hosts import Host


@pytest.fixture
def two(cloud: Cloud) -> Built:
    """A zone of two hosts with leases; each takes 63.5 GiB of VMs.  One that is left can promise nothing."""
    built = cloud.ready_zone(hosts=2)
    guard(cloud)
    return built


def offering(cloud: Cloud, memory_gib: int, *, ha: bool) -> str:
    """Make an offering."""
    made = cloud.api("createServiceOffering", name=f"{memory_gib}-{ha}", displaytext="x", cpunumber=1, cpuspeed=100,
                     memory=memory_gib * 1024, offerha=ha)  # fmt: skip
    return str(made["serviceoffering"]["id"])


def deploy(cloud: Cloud, name: str, memory_gib: int, *, ha: bool = False, on: str = "", **more: Any) -> str:
    """Deploy a VM and wait for it; return its uuid."""
    assert cloud.zone
    if on:
        more["hostid"] = cloud.zone.hosts[on]
    wish = cloud.zone.vm(name=name, serviceofferingid=offering(cloud, memory_gib, ha=ha), **more)
    return str(cloud.do("deployVirtualMachine", **wish)["virtualmachine"]["id"])


def prove(cloud: Cloud, name: str) -> None:
    """Record that a host is dead, and hand over what ran there."""
    cloud.world.power_off(name)

    def work(s: Any) -> None:
        host = s.query(Host).filter_by(name=name).one()
        lost.record(s, host.id, "boot-1", 1, Proof.LEASE, "silent", cloud.clock.now_s())

    cloud.db.tx(work)
    cloud.db.tx(lambda s: lost.hand_over(s, cloud.clock.now_s()))


def restart(cloud: Cloud) -> None:
    """Let the manager start what waits."""
    cloud.db.tx(lambda s: due.submit(s, cloud.clock.now_s()))
    cloud.settle()


def where(cloud: Cloud) -> dict[str, str]:
    """Return the host of each running VM, by name."""
    found = cloud.api("listVirtualMachines", listall=True).get("virtualmachine", [])
    return {vm["name"]: vm["hostname"] for vm in found if vm["state"] == "Running"}


def test_what_is_suspect_keeps_room_elsewhere_until_it_is_heard_again(cloud: Cloud, two: Built) -> None:
    deploy(cloud, "web", 40, ha=True, on="h1")
    guard(cloud, "h1", state="suspect")

    with pytest.raises(JobFailed) as e:
        deploy(cloud, "big", 30)

    assert "held for virtual machines of hosts that fell silent" in e.value.text
    assert "if host h1 were lost, 1 HA VM could not be restarted" in e.value.text
    deploy(cloud, "small", 20, on="h2")
    guard(cloud, "h1", state="live")
    deploy(cloud, "other", 22)


def test_an_ha_vm_is_refused_at_once(cloud: Cloud, two: Built) -> None:
    deploy(cloud, "web", 40, ha=True, on="h1")
    guard(cloud, "h1", state="suspect")

    with pytest.raises(ApiError) as e:
        deploy(cloud, "big", 30, ha=True)

    assert (e.value.status, e.value.inner["cserrorcode"]) == (533, 4335)


def test_room_is_held_until_the_restart_has_taken_it(cloud: Cloud, two: Built) -> None:
    deploy(cloud, "web", 40, ha=True, on="h1")
    guard(cloud, "h1", state="suspect")
    prove(cloud, "h1")

    with pytest.raises(JobFailed):
        deploy(cloud, "big", 30)

    restart(cloud)
    assert where(cloud) == {"web": "h2"}
    deploy(cloud, "small", 20)


def test_room_is_held_whatever_the_promise_is(cloud: Cloud, two: Built) -> None:
    cloud.api("updateConfiguration", name=HA_HOSTS_TOLERATED.name, value="0", clusterid=two.cluster)
    deploy(cloud, "web", 40, ha=True, on="h1")
    deploy(cloud, "free", 20, on="h2")
    guard(cloud, "h1", state="suspect")

    with pytest.raises(JobFailed):
        deploy(cloud, "big", 10)


def test_vms_without_ha_hold_nothing_elsewhere(cloud: Cloud, two: Built) -> None:
    deploy(cloud, "plain", 40, on="h1")
    guard(cloud, "h1", state="suspect")

    deploy(cloud, "big", 30)

    assert where(cloud)["big"] == "h2"


def test_room_that_helps_nobody_is_not_held(cloud: Cloud, two: Built) -> None:
    cloud.api("updateConfiguration", name=HA_HOSTS_TOLERATED.name, value="0", clusterid=two.cluster)
    deploy(cloud, "full", 40, on="h2")
    deploy(cloud, "web", 40, ha=True, on="h1")
    guard(cloud, "h1", state="suspect")

    deploy(cloud, "small", 20)

    assert where(cloud)["small"] == "h2"


def test_nothing_is_held_where_an_operator_disabled_ha(cloud: Cloud, two: Built) -> None:
    deploy(cloud, "web", 40, ha=True, on="h1")
    guard(cloud, "h1", state="suspect")
    cloud.api("disableHAForCluster", clusterid=two.cluster)

    deploy(cloud, "big", 30)

    assert where(cloud)["big"] == "h2"
