"""Admission control: what would break the promise to survive the loss of hosts is refused, and placement keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Cloud, JobFailed
from support.leases import die, guard
from support.zone import Built
from tegar.model.units import GIB, MIB
from tegar.store.events import Alert, Event

HOST_BYTES = 64 * GIB


def offering(cloud: Cloud, memory: int, *, ha: bool = True, tags: str = "") -> str:
    """Make an offering of so many GiB."""
    more = {"hosttags": tags} if tags else {}
    made = cloud.api("createServiceOffering", name=f"{memory}-{ha}-{tags}", displaytext="x", cpunumber=1, cpuspeed=500,
                     memory=memory * 1024, offerha=ha, **more)  # fmt: skip
    return str(made["serviceoffering"]["id"])


def deploy(cloud: Cloud, name: str, size: str, on: str = "", **more: Any) -> str:
    """Deploy a VM and wait for it; return its uuid."""
    assert cloud.zone
    if on:
        more["hostid"] = cloud.zone.hosts[on]
    wish = cloud.zone.vm(name=name, serviceofferingid=size, **more)
    return str(cloud.do("deployVirtualMachine", **wish)["virtualmachine"]["id"])


def where(cloud: Cloud) -> dict[str, str]:
    """Return the host of each running VM, by name."""
    found = cloud.api("listVirtualMachines", listall=True).get("virtualmachine", [])
    return {vm["name"]: vm["hostname"] for vm in found if vm["state"] == "Running"}


@pytest.fixture
def three(cloud: Cloud) -> Built:
    """A zone of three hosts with leases; each takes 63.5 GiB of VMs."""
    built = cloud.ready_zone(hosts=3)
    guard(cloud)
    return built


def test_an_ha_vm_beyond_the_promise_is_refused_at_once_with_the_reason(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 30)
    for n in range(4):
        deploy(cloud, f"v{n}", size)

    with pytest.raises(ApiError) as e:
        cloud.api("deployVirtualMachine", **three.vm(name="v4", serviceofferingid=size))

    assert (e.value.status, e.value.inner["cserrorcode"]) == (533, 4335)
    assert e.value.text.startswith(
        "Starting VM v4 is refused: the room that is left is kept for virtual machines"
    )
    assert "In cluster cluster, if host h" in e.value.text
    assert "bytes of memory are lacking for VM v" in e.value.text
    assert "ha.admission.override" in e.value.text
    assert "v4" not in where(cloud)
    assert "virtualmachine" not in cloud.api("listVirtualMachines", listall=True, name="v4")


def test_users_do_not_read_the_names_of_hosts(cloud: Cloud, three: Built) -> None:
    size, alice = offering(cloud, 30), cloud.as_user()
    for n in range(4):
        alice.do("deployVirtualMachine", **three.vm(name=f"v{n}", serviceofferingid=size))

    with pytest.raises(ApiError) as e:
        alice.api("deployVirtualMachine", **three.vm(name="v4", serviceofferingid=size))

    assert e.value.text == (
        "Starting VM v4 is refused: the room that is left is kept for virtual machines of hosts that fail"
    )


def test_the_start_of_a_stopped_ha_vm_is_asked_again(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 30)
    stopped = deploy(cloud, "stopped", size)
    cloud.do("stopVirtualMachine", id=stopped)
    for n in range(4):
        deploy(cloud, f"v{n}", size)

    with pytest.raises(ApiError, match="Starting VM stopped is refused"):
        cloud.api("startVirtualMachine", id=stopped)

    shown = cloud.api("listVirtualMachines", id=stopped)["virtualmachine"][0]
    assert shown["state"] == "Stopped"


def test_vms_without_ha_do_not_eat_the_reserve(cloud: Cloud, three: Built) -> None:
    ha, plain = offering(cloud, 30), offering(cloud, 30, ha=False)
    for n in range(2):
        deploy(cloud, f"v{n}", ha, on="h1")
    for n in range(2):
        deploy(cloud, f"p{n}", plain, on=f"h{n + 2}")

    with pytest.raises(JobFailed) as e:
        deploy(cloud, "p2", plain)

    assert "Starting VM p2 is refused" in e.value.text
    assert "if host h1 were lost" in e.value.text


def test_placement_skips_a_host_where_the_promise_would_break(cloud: Cloud, three: Built) -> None:
    small = offering(cloud, 25, ha=False)
    deploy(cloud, "big", offering(cloud, 40), on="h1")
    deploy(cloud, "p0", small, on="h3")

    deploy(cloud, "p1", small)  # h2 is the emptiest, and the only one that could take big

    assert where(cloud)["p1"] == "h3"
    assert cloud.api("checkHighAvailability")["highavailabilitycheck"][0]["survivable"] is True


def test_without_leases_nothing_is_promised_and_all_is_as_ever(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    size = offering(cloud, 30)

    for n in range(4):
        deploy(cloud, f"v{n}", size)

    assert len(where(cloud)) == 4
    (whole, *_) = cloud.api("checkHighAvailability")["highavailabilitycheck"]
    assert (whole["promised"], whole["survivable"]) == (0, False)
    assert "none of its hosts has a lease" in whole["reason"]


def test_one_host_promises_nothing_and_refuses_nothing(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    guard(cloud)
    size = offering(cloud, 30)

    for n in range(2):
        deploy(cloud, f"v{n}", size)

    (whole, _) = cloud.api("checkHighAvailability")["highavailabilitycheck"]
    assert (whole["promised"], whole["tolerated"], whole["survivable"]) == (1, 0, False)
    assert whole["reason"] == "it has too few hosts that take VMs of others to promise more than 0"


@pytest.mark.parametrize(
    "allow",
    [
        {"name": "ha.host.failures.tolerated", "value": "0"},
        {"name": "ha.admission.override", "value": "true"},
        {"name": ""},
    ],
)
def test_operators_can_want_no_promise_override_it_or_disarm(
    cloud: Cloud, three: Built, allow: dict[str, str]
) -> None:
    size = offering(cloud, 30)
    if allow["name"]:
        cloud.api("updateConfiguration", clusterid=three.cluster, **allow)
    else:
        cloud.do("disableHAForCluster", clusterid=three.cluster)

    for n in range(6):
        deploy(cloud, f"v{n}", size)

    assert len(where(cloud)) == 6


def test_two_hosts_can_be_promised(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=4)
    guard(cloud)
    two = {"name": "ha.host.failures.tolerated", "value": "2", "clusterid": built.cluster}
    cloud.api("updateConfiguration", **two)
    size = offering(cloud, 30)
    for n in range(4):
        deploy(cloud, f"v{n}", size)

    with pytest.raises(ApiError, match=r"if the hosts h\d, h\d were lost"):
        deploy(cloud, "v4", size)


def test_a_host_that_the_promise_needs_is_not_disabled_unless_overridden(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 30)
    for n in range(4):
        deploy(cloud, f"v{n}", size)

    with pytest.raises(ApiError) as e:
        cloud.api("updateHost", id=three.hosts["h3"], allocationstate="Disable")
    assert e.value.status == 533
    assert "Disabling host h3 is refused" in e.value.text

    cloud.api("updateConfiguration", name="ha.admission.override", value="true", clusterid=three.cluster)
    cloud.api("updateHost", id=three.hosts["h3"], allocationstate="Disable")
    (note,) = cloud.db.read(lambda s: s.query(Event).filter_by(type="HA.ADMISSION.OVERRIDE").all())
    assert note.description.startswith("Disabling host h3 is allowed although, in cluster cluster, if host h")


def test_tags_that_ha_vms_need_are_not_taken_from_the_last_host_that_has_them(
    cloud: Cloud, three: Built
) -> None:
    for name in ("h1", "h2"):
        cloud.api("updateHost", id=three.hosts[name], hosttags="ssd")
    deploy(cloud, "web", offering(cloud, 1, tags="ssd"))

    with pytest.raises(ApiError, match="no host that is left suits VM web"):
        cloud.api("updateHost", id=three.hosts["h2"], hosttags="hdd")

    cloud.api("updateHost", id=three.hosts["h3"], hosttags="ssd")
    cloud.api("updateHost", id=three.hosts["h2"], hosttags="hdd")


def test_a_host_is_not_emptied_when_the_others_could_not_lose_one_then(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 30)
    for n in range(3):
        deploy(cloud, f"v{n}", size)

    with pytest.raises(ApiError, match="Emptying host h1 is refused"):
        cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])

    cloud.do("stopVirtualMachine", id=cloud.api("listVirtualMachines", name="v2")["virtualmachine"][0]["id"])
    shown = cloud.do("prepareHostForMaintenance", id=three.hosts["h1"])["host"]
    assert shown["resourcestate"] == "Maintenance"
    (whole, *_) = cloud.api("checkHighAvailability")["highavailabilitycheck"]
    assert whole["survivable"] is True


def test_of_two_hosts_one_can_be_emptied_with_an_alert_that_less_is_promised(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=2)
    guard(cloud)
    deploy(cloud, "web", offering(cloud, 1), on="h1")

    cloud.do("prepareHostForMaintenance", id=built.hosts["h1"])

    assert where(cloud) == {"web": "h2"}
    alert = cloud.db.read(lambda s: s.query(Alert).filter_by(type="ALERT.HA").one())
    assert alert.subject == "Cluster cluster can lose 0 of the 1 hosts that it should survive"


def test_ha_of_a_running_vm_is_refused_when_there_is_no_room_for_it(cloud: Cloud, three: Built) -> None:
    plain = offering(cloud, 40, ha=False)
    ids = [deploy(cloud, f"p{n}", plain, on=f"h{n + 1}") for n in range(3)]

    with pytest.raises(ApiError, match="High availability of VM p0 is refused"):
        cloud.api("updateVirtualMachine", id=ids[0], haenable=True)
    cloud.do("stopVirtualMachine", id=ids[2])

    assert cloud.api("updateVirtualMachine", id=ids[0], haenable=True)["virtualmachine"]["haenable"] is True
    assert cloud.api("updateVirtualMachine", id=ids[0], haenable=False)["virtualmachine"]["haenable"] is False


def test_dead_hosts_take_nothing_and_their_vms_still_need_room(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 20)
    for n in range(3):
        deploy(cloud, f"v{n}", size, on=f"h{n + 1}")
    die(cloud, "h3")

    (whole, *each) = cloud.api("checkHighAvailability")["highavailabilitycheck"]

    assert (whole["tolerated"], whole["survivable"]) == (1, True)
    moves = {v["hostname"]: {m["name"]: m["hostname"] for m in v["virtualmachine"]} for v in each}
    assert moves["h1"] == {"v0": "h2", "v2": "h2"}
    with pytest.raises(ApiError, match="Starting VM v3 is refused"):
        deploy(cloud, "v3", size)


def test_hosts_in_quarantine_take_nothing(cloud: Cloud, three: Built) -> None:
    deploy(cloud, "web", offering(cloud, 1), on="h1")
    guard(cloud, "h2", quarantined_until_s=cloud.clock.now_s() + 60)

    (verdict,) = cloud.api("checkHighAvailability", hostid=three.hosts["h1"])["highavailabilitycheck"]

    assert [m["hostname"] for m in verdict["virtualmachine"]] == ["h3"]


def test_migrations_prefer_places_that_keep_the_promise_and_are_never_refused(
    cloud: Cloud, three: Built
) -> None:
    big, plain = offering(cloud, 40), offering(cloud, 20, ha=False)
    deploy(cloud, "big", big, on="h1")
    mover = deploy(cloud, "p", plain, on="h3")
    deploy(cloud, "q", plain, on="h3")

    assert cloud.do("migrateVirtualMachine", virtualmachineid=mover)["virtualmachine"]["hostname"] == "h2"
    assert cloud.api("checkHighAvailability")["highavailabilitycheck"][0]["survivable"] is True
    cloud.do("migrateVirtualMachine", virtualmachineid=mover, hostid=three.hosts["h3"])
    moved = cloud.do("migrateVirtualMachine", virtualmachineid=mover, hostid=three.hosts["h2"])
    assert moved["virtualmachine"]["hostname"] == "h2"


def test_the_reserve_is_promised_in_the_capacity_but_not_used(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 10)
    for n in range(3):
        deploy(cloud, f"v{n}", size, on="h1" if n < 2 else "h2")

    for params in ({"clusterid": three.cluster}, {"zoneid": three.zone}):
        memory, cpu = (cloud.api("listCapacity", type=kind, **params)["capacity"][0] for kind in (0, 1))
        assert memory["capacityused"] == 30 * GIB
        assert memory["capacityallocated"] == 50 * GIB
        assert (cpu["capacityused"], cpu["capacityallocated"]) == (1500, 2500)


def test_what_if_says_who_goes_where_in_which_order(cloud: Cloud, three: Built) -> None:
    size = offering(cloud, 10)
    deploy(cloud, "late", size, on="h1", details={"ha.priority": "4"})
    first = deploy(cloud, "first", size, on="h1", details={"ha.priority": "0"})
    deploy(cloud, "plain", offering(cloud, 10, ha=False), on="h1")

    (verdict,) = cloud.api("checkHighAvailability", hostid=three.hosts["h1"])["highavailabilitycheck"]

    moves = [(m["order"], m["name"], m["priority"]) for m in verdict["virtualmachine"]]
    assert moves == [(1, "first", 0), (2, "late", 4)]
    assert verdict["virtualmachine"][0]["id"] == first
    assert verdict["survivable"] is True
    whole, *each = cloud.api("checkHighAvailability", clusterid=three.cluster, n=2)["highavailabilitycheck"]
    assert (whole["promised"], whole["tolerated"], len(each)) == (1, 2, 3)
    assert "highavailabilitycheck" not in cloud.api("checkHighAvailability", keyword="nothing of that name")
    with pytest.raises(ApiError, match="hostid or n"):
        cloud.api("checkHighAvailability", hostid=three.hosts["h1"], n=1)


def test_small_sizes_of_the_zone_are_untouched(cloud: Cloud, three: Built) -> None:
    deploy(cloud, "web", offering(cloud, 1), on="h1")
    cloud.do("deployVirtualMachine", **three.vm(name="tiny"))

    assert set(where(cloud)) == {"web", "tiny"}
    assert cloud.api("listCapacity", type=0)["capacity"][0]["capacityused"] == GIB + 256 * MIB
