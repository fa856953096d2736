"""Real sagas, manager and database on simulated time: random faults, and stories that once went wrong."""

from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.saga import SagaRow
from tegar.model.host import Resource
from tegar.model.vm import State
from tegar.saga.vm_settle import SETTLE_VM, SettleVm
from tegar.sim.ha.cloud import Cloud
from tegar.sim.ha.cloud_chaos import broken_clouds, request, run_cloud
from tegar.store.hosts import Host
from tegar.store.restarts import Restart
from tegar.store.vms import Vm

SEEDS = 100
BATCH = 10


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_no_seed_of_a_whole_cloud_breaks_an_invariant(first: int) -> None:
    assert broken_clouds(first, BATCH) == []


def test_a_cloud_replays_exactly() -> None:
    assert run_cloud(3) == run_cloud(3)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud(1, hosts=3, vms=1, servers=2)
    yield made
    made.close()


def where(cloud: Cloud) -> list[str]:
    return [host.name for host, guest in cloud.world.guests() if guest.runs]


def close_to_new_vms(s: Session, name: str) -> None:
    s.scalars(select(Host).where(Host.name == name)).one().resource_state = Resource.DISABLED


def vm(cloud: Cloud) -> Vm:
    return cloud.db.read(lambda s: s.scalars(select(Vm)).one())


def test_a_vm_of_a_host_without_power_runs_elsewhere_within_seconds(cloud: Cloud) -> None:
    cloud.run(8)
    home = where(cloud)[0]
    cloud.guard.hosts[home].power_off("power lost")
    cloud.run(6)

    assert where(cloud) not in ([], [home])
    assert vm(cloud).state == State.RUNNING


def test_a_database_that_forgot_a_restart_starts_no_second_copy(cloud: Cloud) -> None:
    cloud.run(8)
    home = where(cloud)[0]
    before = cloud.snapshot()
    cloud.guard.hosts[home].power_off("power lost")
    cloud.run(6)
    runs_now = where(cloud)
    cloud.fail_over(before)
    cloud.db.tx(lambda s: close_to_new_vms(s, runs_now[0]))  # so another host is the next choice
    cloud.run(30)

    assert where(cloud) == runs_now
    held = cloud.db.read(lambda s: s.scalars(select(Restart.held)).one())
    assert "lost commits" in held


def test_a_dispute_is_settled_once_every_host_says_that_it_has_no_copy(cloud: Cloud) -> None:
    cloud.run(8)
    before = cloud.snapshot()
    cloud.guard.hosts[where(cloud)[0]].power_off("power lost")
    cloud.run(6)
    runs_now = where(cloud)
    cloud.fail_over(before)
    cloud.db.tx(lambda s: close_to_new_vms(s, runs_now[0]))
    cloud.run(30)
    settle(cloud)
    cloud.run(15)

    assert where(cloud) == runs_now
    assert f"is on host {runs_now[0]}" in settling(cloud)[-1]

    cloud.guard.hosts[runs_now[0]].power_off("power lost")
    cloud.run(15)
    settle(cloud)
    cloud.run(20)

    assert where(cloud) not in ([], runs_now)
    assert vm(cloud).state == State.RUNNING


def settle(cloud: Cloud) -> None:
    cloud.some_server().do(lambda s: SETTLE_VM.submit(s, SettleVm(s.scalars(select(Vm.id)).one())))


def settling(cloud: Cloud) -> list[str]:
    """Return what came of settling, the latest last."""
    wanted = select(SagaRow.error).where(SagaRow.name == SETTLE_VM.name).order_by(SagaRow.id)
    return [error or "" for error in cloud.db.read(lambda s: s.scalars(wanted).all())]


def test_a_database_that_forgot_nothing_of_a_vm_lets_it_move_on(cloud: Cloud) -> None:
    cloud.run(8)
    cloud.fail_over(cloud.snapshot())
    cloud.guard.hosts[where(cloud)[0]].power_off("power lost")
    cloud.run(8)

    assert vm(cloud).state == State.RUNNING
    assert len(where(cloud)) == 1


def test_a_vm_whose_host_dies_while_it_moves_runs_again_soon_after_the_proof(cloud: Cloud) -> None:
    cloud.run(8)
    home = where(cloud)[0]
    cloud.world.times.migrate_s = 600.0
    cloud.some_server().do(partial(request, uuid=cloud.vms[0], toss=0.0))
    cloud.run(1)
    assert vm(cloud).state == State.MIGRATING
    cloud.guard.hosts[home].power_off("power lost")
    cloud.run(20)

    assert vm(cloud).state == State.RUNNING
    assert where(cloud) not in ([], [home])


def test_room_between_suspicion_and_restart_is_held_for_those_who_fell() -> None:
    cloud = Cloud(1, hosts=2, vms=2, servers=2, slots=2)
    try:
        cloud.run(8)
        assert sorted(where(cloud)) == ["h1", "h2"]
        cloud.guard.hosts["h1"].power_off("power lost")
        cloud.run(2.5)
        cloud.deploy_another()
        cloud.run(8)

        assert where(cloud) == ["h2", "h2"]
        assert {vm.name: vm.state for vm in cloud.db.read(vms_with_ha)} == dict.fromkeys(
            ["vm1", "vm2"], State.RUNNING
        )
    finally:
        cloud.close()


def vms_with_ha(s: Session) -> Sequence[Vm]:
    return s.scalars(select(Vm).where(Vm.ha)).all()


def test_no_seed_of_a_full_cloud_gives_room_away_that_fallen_hosts_need() -> None:
    assert broken_clouds(15, 4, slots=2) == []


def test_a_witness_that_restarted_is_told_of_every_vm(cloud: Cloud) -> None:
    cloud.run(8)
    restarted, other = list(cloud.guard.witnesses.values())[:2]
    restarted.crash()
    restarted.start()
    cloud.run(12)
    other.crash()
    home = where(cloud)[0]
    cloud.guard.hosts[home].power_off("power lost")
    cloud.run(12)

    assert where(cloud) not in ([], [home])
