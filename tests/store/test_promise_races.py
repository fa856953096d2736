"""The promise under real threads on both databases: those who place at once do not break it together."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy.orm import Session
from test_races import ask, cloud, text_of, together, work_off

from support.cloud import Cloud
from support.leases import guard
from tegar.kernel.saga import State
from tegar.model.errors import PromiseBroken
from tegar.saga import hold, promise
from tegar.store.vms import Vm

__all__ = ["cloud"]  # the fixture


def size(cloud: Cloud, memory_gib: int, *, ha: bool) -> str:
    """Make an offering."""
    made = cloud.api("createServiceOffering", name=f"{memory_gib}-{ha}", displaytext="x", cpunumber=1, cpuspeed=100,
                     memory=memory_gib * 1024, offerha=ha)  # fmt: skip
    return str(made["serviceoffering"]["id"])


@pytest.mark.parametrize("ha", [True, False])
def test_deploys_at_once_leave_the_reserve(cloud: Cloud, ha: bool) -> None:
    """Three hosts take two VMs of 30 GiB each; two of HA run, so that one host must be able to take both."""
    built = cloud.ready_zone(hosts=3)
    guard(cloud)
    for n in range(2):
        cloud.do("deployVirtualMachine", **built.vm(name=f"first{n}", serviceofferingid=size(cloud, 30 + n, ha=True),
                                                    hostid=built.hosts["h1"]))  # fmt: skip
    wanted = size(cloud, 29, ha=ha)

    answers = together(
        lambda n: ask(
            cloud.admin, "deployVirtualMachine", **built.vm(name=f"v{n}", serviceofferingid=wanted)
        ),
        6,
    )
    ended = work_off(cloud)

    assert {a.status for a in answers} == {200}, [text_of(a) for a in answers]
    verdict = cloud.api("checkHighAvailability")["highavailabilitycheck"][0]
    assert verdict["survivable"] is True
    assert ended[State.DONE] == 2 + 2
    assert ended[State.FAILED] == 4


def test_transactions_that_place_at_once_come_one_after_the_other(cloud: Cloud) -> None:
    """All transactions begin at one moment, without sagas between: the tightest race there is."""
    built = cloud.ready_zone(hosts=2)
    guard(cloud)
    wanted = size(cloud, 20, ha=True)
    for n in range(6):
        cloud.api("deployVirtualMachine", **built.vm(name=f"v{n}", serviceofferingid=wanted, startvm=False))
    ids = cloud.db.read(lambda s: [vm.id for vm in s.query(Vm).order_by(Vm.id)])

    def place(n: int) -> str:
        def work(s: Session) -> str:
            vm = s.get_one(Vm, ids[n])
            now_s = cloud.clock.now_s()
            wanted = hold.request(s, vm, only_host_id=None)
            hold.take(s, vm, wanted, promise.keeping(s, vm, now_s), now_s=now_s)
            return "placed"

        try:
            return cloud.db.tx(work)
        except PromiseBroken:
            return "refused"

    assert Counter(together(place, 6)) == {"placed": 3, "refused": 3}
    assert cloud.api("checkHighAvailability")["highavailabilitycheck"][0]["survivable"] is True
