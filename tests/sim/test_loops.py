"""The loops, on simulated hosts: what happens by itself is found and put right."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from support.cloud import ApiError, Cloud
from tegar.kernel.db import fire
from tegar.kernel.saga import SagaRow, State
from tegar.loop import expunge, host_pulse, router_repair, stats, stuck_jobs, tidy, vm_power
from tegar.model.settings import EXPUNGE_DELAY_S, HOST_SILENT_S
from tegar.model.volume import Event as DiskEvent
from tegar.store.accounts import Login
from tegar.store.events import Alert
from tegar.store.hosts import Hold
from tegar.store.routers import Router
from tegar.store.volumes import Volume


def running(cloud: Cloud, name: str = "web") -> str:
    """Deploy a VM and return its uuid."""
    built = cloud.zone or cloud.ready_zone(hosts=2)
    return str(cloud.do("deployVirtualMachine", **built.vm(name=name))["virtualmachine"]["id"])


def vm(cloud: Cloud, uuid: str) -> dict[str, object]:
    found: dict[str, object] = cloud.api("listVirtualMachines", id=uuid)["virtualmachine"][0]
    return found


def fall_silent(cloud: Cloud) -> None:
    """Let time pass until hosts that do not answer are disconnected."""
    pulses = host_pulse.Pulses(cloud.env)
    pulses.round()
    cloud.clock.sleep(HOST_SILENT_S.default + 1)
    pulses.round()


def test_a_guest_that_ended_by_itself_is_found_stopped_and_holds_nothing(cloud: Cloud) -> None:
    web = running(cloud)

    cloud.world.die(web)
    vm_power.round(cloud.env)

    assert vm(cloud, web)["state"] == "Stopped"
    assert "hostid" not in vm(cloud, web)
    assert cloud.db.read(lambda s: s.scalars(select(Hold)).all()) == []


def test_a_guest_that_runs_is_left_alone(cloud: Cloud) -> None:
    web = running(cloud)

    vm_power.round(cloud.env)

    assert vm(cloud, web)["state"] == "Running"


def test_a_silent_host_keeps_its_vms_and_is_disconnected_only_after_a_while(cloud: Cloud) -> None:
    web = running(cloud)
    host, pulses = str(vm(cloud, web)["hostname"]), host_pulse.Pulses(cloud.env)
    pulses.round()

    cloud.world.faults(host).connected = False
    pulses.round()
    vm_power.round(cloud.env)
    early = cloud.api("listHosts", name=host)["host"][0]["state"]
    cloud.clock.sleep(HOST_SILENT_S.default + 1)
    pulses.round()

    assert early == "Up"
    assert cloud.api("listHosts", name=host)["host"][0]["state"] == "Disconnected"
    assert vm(cloud, web)["state"] == "Running"
    assert len(cloud.db.read(lambda s: s.scalars(select(Alert)).all())) == 1


def test_a_new_leader_never_judges_hosts_by_a_silence_it_did_not_hear(cloud: Cloud) -> None:
    web = running(cloud)
    host = str(vm(cloud, web)["hostname"])
    cloud.world.faults(host).connected = False
    cloud.clock.sleep(3600)

    host_pulse.Pulses(cloud.env).round()

    assert cloud.api("listHosts", name=host)["host"][0]["state"] == "Up"


def test_a_host_that_answers_again_is_up_again(cloud: Cloud) -> None:
    web = running(cloud)
    host = str(vm(cloud, web)["hostname"])
    cloud.world.faults(host).connected = False
    fall_silent(cloud)

    cloud.world.faults(host).connected = True
    host_pulse.Pulses(cloud.env).round()

    assert cloud.api("listHosts", name=host)["host"][0]["state"] == "Up"


def test_a_router_that_its_host_lost_is_made_again(cloud: Cloud) -> None:
    web = running(cloud)
    router = cloud.db.read(lambda s: s.scalars(select(Router)).one())
    host = next(
        h["name"] for h in cloud.api("listHosts")["host"] if h["id"] == host_uuid(cloud, router.host_id)
    )

    cloud.world.forget_routers(host)
    router_repair.round(cloud.env)

    assert cloud.page(web).name == "web"


def test_the_router_of_a_host_that_is_gone_moves(cloud: Cloud) -> None:
    running(cloud)
    before = cloud.db.read(lambda s: s.scalars(select(Router)).one()).host_id
    name = next(h["name"] for h in cloud.api("listHosts")["host"] if h["id"] == host_uuid(cloud, before))

    cloud.world.faults(name).connected = False
    fall_silent(cloud)
    router_repair.round(cloud.env)

    after = cloud.db.read(lambda s: s.scalars(select(Router)).one())
    assert after.host_id not in (None, before)
    assert after.applied > 0


def host_uuid(cloud: Cloud, host_id: int | None) -> str:
    from tegar.store.hosts import Host

    return cloud.db.read(lambda s: s.get_one(Host, host_id)).uuid


def test_a_destroyed_vm_is_expunged_when_its_time_is_over(cloud: Cloud) -> None:
    web = running(cloud)
    cloud.do("destroyVirtualMachine", id=web)

    expunge.round(cloud.env)
    cloud.settle()
    early = vm(cloud, web)["state"]
    cloud.clock.sleep(EXPUNGE_DELAY_S.default + 1)
    expunge.round(cloud.env)
    cloud.settle()

    assert early == "Destroyed"
    assert cloud.api("listVirtualMachines", listall=True) == {}
    assert cloud.api("listVolumes", listall=True) == {}


def test_a_stuck_saga_goes_on_when_its_host_is_back(cloud: Cloud) -> None:
    web = running(cloud)
    host = str(vm(cloud, web)["hostname"])
    cloud.world.faults(host).connected = False
    answer = cloud.api("destroyVirtualMachine", id=web)
    cloud.settle()
    stuck = cloud.db.read(
        lambda s: s.scalars(select(SagaRow).where(SagaRow.uuid == answer["jobid"])).one()
    ).state

    cloud.world.faults(host).connected = True
    stuck_jobs.round(cloud.env, lambda saga_id: cloud.engine.reopen(saga_id) and cloud._submitted(saga_id))
    cloud.settle()

    assert stuck == State.STUCK
    assert cloud.api("queryAsyncJobResult", jobid=answer["jobid"])["jobstatus"] == 1
    assert vm(cloud, web)["state"] == "Destroyed"


def test_counters_of_running_vms_are_shown(cloud: Cloud) -> None:
    web = running(cloud)

    stats.round(cloud.env)
    cloud.clock.sleep(10)
    stats.round(cloud.env)
    stats.pools(cloud.env)

    assert str(vm(cloud, web)["cpuused"]).endswith("%")
    assert isinstance(vm(cloud, web)["networkkbsread"], int)


def test_old_sessions_are_removed(cloud: Cloud) -> None:
    cloud.db.tx(lambda s: s.add(Login(session_digest="x", key_digest="y", user_id=1, seen_s=0.0)))

    tidy.round(cloud.env)

    assert cloud.db.read(lambda s: s.scalars(select(Login)).all()) == []


def test_a_vm_that_was_recovered_before_it_was_destroyed_for_good_is_kept(cloud: Cloud) -> None:
    web = running(cloud)
    cloud.do("stopVirtualMachine", id=web)
    cloud.hold = True
    answer = cloud.api("destroyVirtualMachine", id=web)
    cloud.api("recoverVirtualMachine", id=web)
    cloud.hold = False
    cloud.job(answer)

    assert vm(cloud, web)["state"] == "Stopped"
    cloud.do("startVirtualMachine", id=web)
    assert cloud.page(web).boots == 2


def test_a_vm_that_is_being_expunged_can_neither_be_recovered_nor_started(cloud: Cloud) -> None:
    web = running(cloud)
    cloud.do("stopVirtualMachine", id=web)
    cloud.hold = True
    answer = cloud.api("destroyVirtualMachine", id=web, expunge=True)

    for command in ("recoverVirtualMachine", "startVirtualMachine"):
        with pytest.raises(ApiError, match="Expunging"):
            cloud.api(command, id=web)

    cloud.hold = False
    cloud.job(answer)
    assert cloud.api("listVolumes", listall=True) == {}


def test_a_volume_that_is_being_deleted_cannot_be_attached(cloud: Cloud) -> None:
    web = running(cloud)
    offering = cloud.api("listDiskOfferings", name="Small")["diskoffering"][0]["id"]
    disk = cloud.do("createVolume", diskofferingid=offering, zoneid=cloud.zone.zone, name="d")["volume"]["id"]
    volume = cloud.db.read(lambda s: s.scalars(select(Volume).where(Volume.uuid == disk)).one())
    cloud.db.tx(lambda s: fire(s, s.get_one(Volume, volume.id), DiskEvent.DESTROY))

    with pytest.raises(ApiError, match="Destroy"):
        cloud.api("attachVolume", id=disk, virtualmachineid=web)


def test_a_copy_that_waits_to_go_on_after_a_migration_nobody_remembers_is_ended(cloud: Cloud) -> None:
    web = running(cloud)
    at = str(vm(cloud, web)["hostname"])
    guest = cloud.world.machine(at).guests[web]
    guest.admitted = guest.runs = False  # as one that arrived, and whose saga the database lost

    vm_power.round(cloud.env)
    assert list(cloud.world.guests()) == []
    vm_power.round(cloud.env)

    assert vm(cloud, web)["state"] == "Stopped"


def test_a_host_is_told_again_and_again_which_pools_its_vms_use(cloud: Cloud) -> None:
    web = running(cloud)
    host = cloud.world.machine(str(vm(cloud, web)["hostname"]))
    host_pulse.Pulses(cloud.env).round()

    assert len(host.watched) == 1
    assert host.watched <= host.pools
