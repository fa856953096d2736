"""Maintenance of hosts: everything leaves, what cannot is named, nothing new comes."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Cloud, JobFailed
from support.zone import Built
from tegar.kernel.saga import SagaRow
from tegar.loop import host_pulse, router_repair
from tegar.model.settings import HOST_SILENT_S
from tegar.model.units import GIB, MIB
from tegar.saga.host_maintain import AT_ONCE
from tegar.store import hosts
from tegar.store.events import Alert, Event
from tegar.store.hosts import Host


def deploy(cloud: Cloud, name: str, on: str = "", **more: Any) -> str:
    """Deploy a VM, on a host by name if it is given; return its uuid."""
    built = cloud.zone
    assert built
    if on:
        more["hostid"] = built.hosts[on]
    return str(cloud.do("deployVirtualMachine", **built.vm(name=name, **more))["virtualmachine"]["id"])


def host(cloud: Cloud, name: str) -> dict[str, Any]:
    """Return what is shown of a host."""
    found: dict[str, Any] = cloud.api("listHosts", name=name)["host"][0]
    return found


def where(cloud: Cloud) -> dict[str, tuple[str, str]]:
    """Return the state and the host of each VM, by name."""
    found = cloud.api("listVirtualMachines", listall=True).get("virtualmachine", [])
    return {vm["name"]: (vm["state"], vm.get("hostname", "")) for vm in found}


def prepare(cloud: Cloud, name: str) -> dict[str, Any]:
    """Prepare a host and wait for the job."""
    assert cloud.zone
    found: dict[str, Any] = cloud.do("prepareHostForMaintenance", id=cloud.zone.hosts[name])["host"]
    return found


def offering(cloud: Cloud, memory_mib: int) -> str:
    """Make an offering."""
    made = cloud.api("createServiceOffering", name=f"m{memory_mib}", displaytext="big", cpunumber=1, cpuspeed=500,
                     memory=memory_mib)  # fmt: skip
    return str(made["serviceoffering"]["id"])


@pytest.fixture
def three(cloud: Cloud) -> Built:
    """A zone of three hosts."""
    return cloud.ready_zone(hosts=3)


def test_all_vms_of_a_host_move_over_the_others_and_answer_there(cloud: Cloud, three: Built) -> None:
    vms = [deploy(cloud, f"web{n}", on="h1") for n in range(5)]

    shown = prepare(cloud, "h1")

    assert (shown["resourcestate"], shown["state"]) == ("Maintenance", "Up")
    assert {state for state, _ in where(cloud).values()} == {"Running"}
    assert {on for _, on in where(cloud).values()} == {"h2", "h3"}
    assert [cloud.page(vm) is not None for vm in vms] == [True] * 5
    assert host(cloud, "h1")["memoryallocated"] == 0
    assert cloud.world.machine("h1").routers == {}
    assert len(cloud.world.machine("h2").routers) + len(cloud.world.machine("h3").routers) == 1


def test_only_so_many_vms_move_at_once(cloud: Cloud, three: Built) -> None:
    for n in range(AT_ONCE + 2):
        deploy(cloud, f"web{n}", on="h1")
    cloud.hold = True
    job = cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])

    saga_id = cloud.db.read(lambda s: s.query(SagaRow).filter_by(uuid=job["jobid"]).one().id)
    cloud.step(saga_id)

    states = [state for state, _ in where(cloud).values()]
    assert (states.count("Migrating"), states.count("Running")) == (AT_ONCE, 2)
    assert host(cloud, "h1")["resourcestate"] == "PrepareForMaintenance"
    cloud.hold = False
    assert cloud.job(job)["host"]["resourcestate"] == "Maintenance"
    assert "h1" not in {on for _, on in where(cloud).values()}


def test_another_server_goes_on_where_one_died_and_moves_nothing_twice(cloud: Cloud, three: Built) -> None:
    for n in range(AT_ONCE + 2):
        deploy(cloud, f"web{n}", on="h1")
    cloud.hold = True
    job = cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    saga_id = cloud.db.read(lambda s: s.query(SagaRow).filter_by(uuid=job["jobid"]).one().id)
    cloud.step(saga_id)
    cloud.hold = False

    cloud.engine = cloud.make_engine(owner="another-server")
    assert cloud.engine.claim(saga_id, dead_owner="test-server")
    cloud.step(saga_id)

    assert cloud.job(job)["host"]["resourcestate"] == "Maintenance"
    assert "h1" not in {on for _, on in where(cloud).values()}
    moves = cloud.db.read(lambda s: s.query(SagaRow).filter_by(name="vm.migrate").all())
    assert len({m.instance_uuid for m in moves}) == len(moves) == AT_ONCE + 2


def test_each_move_is_a_job_and_an_event_of_its_owner(cloud: Cloud, three: Built) -> None:
    web = deploy(cloud, "web", on="h1")

    prepare(cloud, "h1")

    job = cloud.db.read(lambda s: s.query(SagaRow).filter_by(name="vm.migrate").one())
    shown = cloud.api("queryAsyncJobResult", jobid=job.uuid)
    assert (shown["jobstatus"], shown["jobresult"]["virtualmachine"]["id"]) == (1, web)
    notes = cloud.db.read(lambda s: s.query(Event).filter_by(type="VM.MIGRATE", resource_uuid=web).all())
    assert [n.description for n in notes] == ["Migrating VM web: its host h1 is prepared for maintenance"]


def test_what_fits_nowhere_is_named_with_the_reason_and_the_rest_has_moved(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    total = host(cloud, "h1")["memorytotal"]
    big = offering(cloud, (total // 2 - GIB) // MIB)
    deploy(cloud, "small", on="h1")
    deploy(cloud, "large", on="h1", serviceofferingid=big)
    for n in range(2):
        deploy(cloud, f"other{n}", on="h2", serviceofferingid=big)

    with pytest.raises(
        JobFailed, match=r"Host h1 is in use: VM large cannot leave: .*h2: lacks \d+ bytes"
    ) as e:
        prepare(cloud, "h1")

    assert "small" not in e.value.text
    assert host(cloud, "h1")["resourcestate"] == "ErrorInMaintenance"
    assert (where(cloud)["small"], where(cloud)["large"]) == (("Running", "h2"), ("Running", "h1"))
    assert "VM large" in cloud.db.read(lambda s: s.query(Alert).one().text)

    cloud.do(
        "stopVirtualMachine", id=cloud.api("listVirtualMachines", name="large")["virtualmachine"][0]["id"]
    )
    assert prepare(cloud, "h1")["resourcestate"] == "Maintenance"  # tried again


def test_a_move_that_fails_is_tried_again_once(cloud: Cloud, three: Built) -> None:
    web = deploy(cloud, "web", on="h1")
    cloud.world.faults("h1").refuse["MigrateDomain"] = 1

    assert prepare(cloud, "h1")["resourcestate"] == "Maintenance"
    assert cloud.page(web)

    on = where(cloud)["web"][1]
    cloud.world.faults(on).refuse["MigrateDomain"] = 99
    with pytest.raises(JobFailed, match=r"VM web cannot leave: .*MigrateDomain"):
        prepare(cloud, on)
    assert where(cloud)["web"] == ("Running", on)


def test_a_router_without_another_host_is_named_and_goes_on(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    web = deploy(cloud, "web")
    cloud.do("destroyVirtualMachine", id=web, expunge=True)

    with pytest.raises(JobFailed, match="the router of net cannot leave: no other host of the zone is up"):
        prepare(cloud, "h1")

    assert len(cloud.world.machine("h1").routers) == 1
    assert host(cloud, "h1")["resourcestate"] == "ErrorInMaintenance"


def test_vms_that_start_or_stop_are_waited_for(cloud: Cloud, three: Built) -> None:
    stopping = deploy(cloud, "stopping", on="h1")
    cloud.hold = True
    cloud.api("stopVirtualMachine", id=stopping)
    cloud.api("deployVirtualMachine", **three.vm(name="starting", hostid=three.hosts["h1"]))
    job = cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    cloud.hold = False

    assert cloud.job(job)["host"]["resourcestate"] == "Maintenance"
    assert where(cloud)["stopping"] == ("Stopped", "")
    assert "h1" not in {on for _, on in where(cloud).values()}


def test_a_vm_on_its_way_to_the_host_is_waited_for_and_sent_on(cloud: Cloud, three: Built) -> None:
    web = deploy(cloud, "web", on="h2")
    cloud.hold = True
    cloud.api("migrateVirtualMachine", virtualmachineid=web, hostid=three.hosts["h1"])
    job = cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    cloud.hold = False

    cloud.job(job)

    assert where(cloud)["web"][0] == "Running"
    assert where(cloud)["web"][1] != "h1"
    assert host(cloud, "h1")["memoryallocated"] == 0


def test_a_host_in_maintenance_gets_no_vm_and_no_router(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    prepare(cloud, "h1")

    for n in range(3):
        deploy(cloud, f"web{n}")
    with pytest.raises(JobFailed):
        deploy(cloud, "there", on="h1")
    router_repair.round(cloud.env)

    assert {on for state, on in where(cloud).values() if state == "Running"} == {"h2"}
    assert cloud.world.machine("h1").routers == {}
    assert len(cloud.world.machine("h2").routers) == 1


def test_a_placement_that_began_before_the_maintenance_does_not_end_there(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    seen = cloud.db.read(lambda s: s.query(Host).filter_by(name="h1").one())
    prepare(cloud, "h1")

    room = {"cpu_mhz": 1, "memory_bytes": 1, "cpu_limit_mhz": 9, "memory_limit_bytes": 9}
    assert not cloud.db.tx(lambda s: hosts.hold(s, seen, vm_id=1, **room))


def test_after_the_maintenance_the_host_is_used_again(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=2)
    deploy(cloud, "web", on="h1")
    prepare(cloud, "h1")

    shown = cloud.do("cancelHostMaintenance", id=built.hosts["h1"])["host"]

    assert shown["resourcestate"] == "Enabled"
    assert where(cloud)["web"] == ("Running", "h2")
    deploy(cloud, "next", on="h1")
    assert where(cloud)["next"] == ("Running", "h1")


def test_a_preparation_under_way_can_be_cancelled(cloud: Cloud, three: Built) -> None:
    for n in range(AT_ONCE + 2):
        deploy(cloud, f"web{n}", on="h1")
    cloud.hold = True
    job = cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    cloud.step(cloud.db.read(lambda s: s.query(SagaRow).filter_by(uuid=job["jobid"]).one().id))
    cloud.api("cancelHostMaintenance", id=three.hosts["h1"])

    with pytest.raises(ApiError, match="is about to end"):
        cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    cloud.hold = False
    with pytest.raises(JobFailed, match="was cancelled"):
        cloud.job(job)

    assert host(cloud, "h1")["resourcestate"] == "Enabled"
    assert {state for state, _ in where(cloud).values()} == {"Running"}
    assert [on for _, on in where(cloud).values()].count("h1") == 2
    assert prepare(cloud, "h1")["resourcestate"] == "Maintenance"


def test_what_makes_no_sense_is_refused(cloud: Cloud, three: Built) -> None:
    h1 = {"id": three.hosts["h1"]}

    with pytest.raises(ApiError, match="A host that is Enabled cannot have its maintenance cancelled"):
        cloud.api("cancelHostMaintenance", **h1)
    prepare(cloud, "h1")
    with pytest.raises(ApiError, match="A host that is Maintenance cannot be prepared for maintenance"):
        cloud.api("prepareHostForMaintenance", **h1)
    with pytest.raises(ApiError, match="Host h1 is Maintenance; cancel that first"):
        cloud.api("updateHost", **h1, allocationstate="Enable")
    with pytest.raises(ApiError, match="Host h2 is Up; only one that is Disconnected"):
        cloud.api("declareHostAsDegraded", id=three.hosts["h2"])


@pytest.mark.parametrize(
    "command",
    ["prepareHostForMaintenance", "cancelHostMaintenance", "declareHostAsDegraded", "cancelHostAsDegraded"],
)
def test_users_may_not(cloud: Cloud, three: Built, command: str) -> None:
    with pytest.raises(ApiError) as e:
        cloud.as_user().api(command, id=three.hosts["h1"])

    assert e.value.status in (401, 432)
    assert host(cloud, "h1")["resourcestate"] == "Enabled"


def test_lists_show_and_find_hosts_by_what_they_are_for(cloud: Cloud, three: Built) -> None:
    prepare(cloud, "h2")

    found = cloud.api("listHosts", resourcestate="Maintenance")["host"]

    assert [(h["name"], h["resourcestate"]) for h in found] == [("h2", "Maintenance")]
    assert [h["name"] for h in cloud.api("listHosts", resourcestate="Enabled")["host"]] == ["h1", "h3"]


def fall_silent(cloud: Cloud, name: str) -> None:
    """Let a host stop answering, for long enough."""
    pulses = host_pulse.Pulses(cloud.env)
    pulses.round()
    cloud.world.faults(name).connected = False
    cloud.clock.sleep(HOST_SILENT_S.default + 1)
    pulses.round()


def test_a_silent_host_is_not_prepared_but_declared_degraded_and_keeps_its_vms(
    cloud: Cloud, three: Built
) -> None:
    deploy(cloud, "web", on="h1")
    fall_silent(cloud, "h1")

    with pytest.raises(ApiError, match="Host h1 is Disconnected: nothing can be moved live"):
        cloud.api("prepareHostForMaintenance", id=three.hosts["h1"])
    shown = cloud.do("declareHostAsDegraded", id=three.hosts["h1"])["host"]

    assert (shown["state"], shown["resourcestate"]) == ("Disconnected", "Degraded")
    assert where(cloud)["web"] == ("Running", "h1")
    said = cloud.db.read(lambda s: s.query(Event).filter_by(type="HOST.DECLARE.DEGRADED").one().description)
    assert said == "Host h1 is degraded; its VMs (1) are left where they are until it is proven dead"


def test_a_degraded_host_that_answers_again_gets_nothing_until_it_is_cancelled(
    cloud: Cloud, three: Built
) -> None:
    fall_silent(cloud, "h1")
    cloud.do("declareHostAsDegraded", id=three.hosts["h1"])
    cloud.world.faults("h1").connected = True
    host_pulse.Pulses(cloud.env).round()

    assert (host(cloud, "h1")["state"], host(cloud, "h1")["resourcestate"]) == ("Up", "Degraded")
    with pytest.raises(JobFailed):
        deploy(cloud, "there", on="h1")
    assert cloud.do("cancelHostAsDegraded", id=three.hosts["h1"])["host"]["resourcestate"] == "Enabled"
    deploy(cloud, "here", on="h1")
    assert where(cloud)["here"] == ("Running", "h1")
