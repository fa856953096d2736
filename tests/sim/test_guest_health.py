"""Guests that hang are reset or restarted elsewhere, as their VM says, and once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from support.cloud import Cloud
from tegar.loop import guest_health
from tegar.model.settings import HA_GUEST_SILENT_S
from tegar.store.events import Event
from tegar.store.hosts import Host
from tegar.store.leases import Death

SILENT_S = HA_GUEST_SILENT_S.default


@pytest.fixture
def web(cloud: Cloud) -> Callable[[str], str]:
    """Deploys a VM with HA and a guest action; its agent has answered."""

    def deploy(action: str) -> str:
        built = cloud.ready_zone()
        offered = cloud.api("createServiceOffering", name="ha", displaytext="ha", cpunumber=1, cpuspeed=100,
                            memory=256, offerha=True)["serviceoffering"]["id"]  # fmt: skip
        wish = built.vm(name="web", serviceofferingid=offered, **{"details[0].ha.guest.action": action})
        uuid = str(cloud.do("deployVirtualMachine", **wish)["virtualmachine"]["id"])
        cloud.clock.sleep(1)
        guest_health.round(cloud.env)
        return uuid

    return deploy


def deafen(cloud: Cloud) -> None:
    for _, guest in cloud.world.guests():
        guest.deaf = True


def vm(cloud: Cloud, uuid: str) -> dict[str, object]:
    found: dict[str, object] = cloud.api("listVirtualMachines", id=uuid)["virtualmachine"][0]
    return found


def boots(cloud: Cloud) -> list[tuple[str, int]]:
    return [(host.name, guest.boots) for host, guest in cloud.world.guests()]


def notes(cloud: Cloud) -> list[str]:
    stmt = select(Event.description).where(Event.type == "VM.GUEST.HUNG").order_by(Event.id)
    return list(cloud.db.read(lambda s: s.scalars(stmt).all()))


def test_a_silent_guest_is_reset_in_place_and_not_again_before_it_answered(
    cloud: Cloud, web: Callable[[str], str]
) -> None:
    uuid = web("reset")
    ((home, first),) = boots(cloud)
    deafen(cloud)
    cloud.clock.sleep(SILENT_S - 1)
    guest_health.round(cloud.env)
    assert notes(cloud) == []

    cloud.clock.sleep(2)
    guest_health.round(cloud.env)
    cloud.settle()

    assert boots(cloud) == [(home, first + 1)]
    assert vm(cloud, uuid)["state"] == "Running"
    assert notes(cloud) == [f"VM web hangs, its agent has been silent for {SILENT_S + 1} s: it is reset"]
    deafen(cloud)
    for _ in range(5):
        cloud.clock.sleep(SILENT_S)
        guest_health.round(cloud.env)
    assert len(notes(cloud)) == 1


def test_a_silent_guest_is_restarted_elsewhere_on_the_hosts_word_that_it_is_gone(
    cloud: Cloud, web: Callable[[str], str]
) -> None:
    uuid = web("restart")
    home = vm(cloud, uuid)["hostname"]
    deafen(cloud)
    cloud.clock.sleep(SILENT_S + 1)

    guest_health.round(cloud.env)
    cloud.settle()

    found = vm(cloud, uuid)
    assert (found["state"], found["hostname"] == home) == ("Running", False)
    (proof,) = cloud.db.read(lambda s: s.scalars(select(Death)).all())
    assert (proof.kind, proof.vm_id > 0) == ("P5 gone", True)
    assert "restarted on another host" in notes(cloud)[0]


def test_one_that_never_answered_has_no_agent_and_is_left_alone(
    cloud: Cloud, web: Callable[[str], str]
) -> None:
    web("none")
    cloud.do("rebootVirtualMachine", id=cloud.api("listVirtualMachines")["virtualmachine"][0]["id"])
    deafen(cloud)
    uuid = cloud.api("listVirtualMachines")["virtualmachine"][0]["id"]
    cloud.api("updateVirtualMachine", id=uuid, **{"details[0].ha.guest.action": "reset"})

    cloud.clock.sleep(10 * SILENT_S)
    guest_health.round(cloud.env)

    assert notes(cloud) == []


def test_a_watchdogs_news_is_acted_upon_and_old_news_is_not(cloud: Cloud, web: Callable[[str], str]) -> None:
    uuid = web("reset")
    host = _host(cloud, str(vm(cloud, uuid)["hostname"]))
    guest_health.hung(cloud.env, host, uuid)
    assert notes(cloud) == []
    cloud.clock.sleep(31)

    guest_health.hung(cloud.env, host, uuid)
    guest_health.hung(cloud.env, host, uuid)
    cloud.settle()

    assert notes(cloud) == ["VM web hangs, its watchdog fired: it is reset"]


def _host(cloud: Cloud, name: str) -> Host:
    return cloud.db.read(lambda s: s.scalars(select(Host).where(Host.name == name)).one())


def test_a_guest_somebody_works_on_is_left_alone(cloud: Cloud, web: Callable[[str], str]) -> None:
    uuid = web("reset")
    deafen(cloud)
    cloud.clock.sleep(SILENT_S + 1)
    cloud.hold = True
    job = cloud.api("migrateVirtualMachine", virtualmachineid=uuid)

    guest_health.round(cloud.env)

    assert notes(cloud) == []
    cloud.hold = False
    cloud.job(job)
    assert vm(cloud, uuid)["state"] == "Running"
