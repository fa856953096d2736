"""Affinity groups under real threads on both databases: a strict group is never broken by two at once."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select
from test_races import ask, cloud, text_of, together, work_off

from support.cloud import Cloud
from tegar.kernel.saga import SagaRow, State
from tegar.model.affinity import Kind
from tegar.saga import hold
from tegar.store.affinity import AffinityGroup, AffinityMember
from tegar.store.hosts import Hold
from tegar.store.vms import Vm

__all__ = ["cloud"]  # the fixture


def wishes(cloud: Cloud, kind: Kind, count: int, hosts: int) -> str:
    """Ask for VMs of one group on so many hosts; return the group's id."""
    built = cloud.ready_zone(hosts=hosts)
    uuid: str = cloud.do("createAffinityGroup", name="g", type=kind.value)["affinitygroup"]["id"]
    for n in range(count):
        cloud.api("deployVirtualMachine", **built.vm(name=f"v{n}", affinitygroupids=uuid))
    return uuid


def where(cloud: Cloud) -> Counter[int]:
    """Return how many VMs hold room on each host."""
    return Counter(cloud.db.read(lambda s: s.scalars(select(Hold.host_id)).all()))


def test_deploys_of_one_anti_affinity_group_never_share_a_host(cloud: Cloud) -> None:
    wishes(cloud, Kind.APART, count=8, hosts=5)

    ended = work_off(cloud)

    assert set(where(cloud).values()) == {1}
    assert len(where(cloud)) == 5
    assert ended - Counter({State.DONE: 1}) == {State.DONE: 5, State.FAILED: 3}  # one is the group's own job


def test_deploys_of_one_affinity_group_meet_on_one_host(cloud: Cloud) -> None:
    wishes(cloud, Kind.TOGETHER, count=8, hosts=4)

    ended = work_off(cloud)

    assert ended == {State.DONE: 9}
    assert list(where(cloud).values()) == [8]


@pytest.mark.parametrize("kind", [Kind.APART, Kind.TOGETHER])
def test_transactions_that_place_one_group_come_one_after_the_other(cloud: Cloud, kind: Kind) -> None:
    """All transactions begin at one moment, without sagas between: the tightest race there is."""
    wishes(cloud, kind, count=6, hosts=6)
    ids = cloud.db.read(lambda s: s.scalars(select(Vm.id).order_by(Vm.id)).all())

    def place(n: int) -> int:
        def work(s: object) -> int:
            vm = s.get_one(Vm, ids[n])  # type: ignore[attr-defined]
            wanted = hold.request(s, vm, only_host_id=None)  # type: ignore[arg-type]
            return hold.take(s, vm, wanted, now_s=0).host_id  # type: ignore[arg-type]

        return cloud.db.tx(work)

    found = Counter(together(place, 6))

    assert sorted(found.values()) == ([1] * 6 if kind == Kind.APART else [6])


def test_a_group_that_is_deleted_while_vms_join_has_no_members(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    uuid = cloud.do("createAffinityGroup", name="g", type="host affinity")["affinitygroup"]["id"]

    def work(n: int) -> object:
        if n == 3:
            return ask(cloud.admin, "deleteAffinityGroup", id=uuid)
        return ask(
            cloud.admin,
            "deployVirtualMachine",
            **built.vm(name=f"v{n}", startvm=False, affinitygroupids=uuid),
        )

    answers = together(work, 8)

    refused = {text_of(a) for a in answers if a.status != 200}  # type: ignore[attr-defined,arg-type]
    assert all("entity does not exist" in text for text in refused), refused
    assert cloud.db.read(lambda s: s.scalars(select(AffinityMember)).all()) == []
    assert cloud.db.read(lambda s: s.scalars(select(AffinityGroup)).one()).removed_s is not None


def test_a_change_of_groups_and_a_start_of_one_vm_meet(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    uuid = cloud.do("createAffinityGroup", name="g", type="host affinity")["affinitygroup"]["id"]
    made = cloud.do("deployVirtualMachine", **built.vm(startvm=False))["virtualmachine"]["id"]

    def work(n: int) -> object:
        if n == 1:
            return ask(cloud.admin, "startVirtualMachine", id=made)
        return ask(cloud.admin, "updateVMAffinityGroup", id=made, affinitygroupids=uuid)

    changed, started = together(work, 2)

    assert started.status == 200  # type: ignore[attr-defined]
    joined = cloud.db.read(lambda s: s.scalars(select(AffinityMember)).all())
    assert len(joined) == (changed.status == 200)  # type: ignore[attr-defined]
    jobs = cloud.db.read(lambda s: s.scalars(select(SagaRow.name).order_by(SagaRow.id)).all())
    if joined:  # it came before the start, never after
        assert jobs[-2:] == ["done", "vm.start"]
