"""Races with real threads on both databases: what there is once is given once, and the others are told why."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select, update

from support.cloud import KEY, Caller, Cloud
from support.signed import flat, sign
from tegar.api import render
from tegar.api.serve import Answer, Request
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.saga import SagaRow, State
from tegar.kernel.secret import Vault
from tegar.model.units import GIB, MIB
from tegar.ops.bootstrap import bootstrap
from tegar.saga.hold import pool_limit
from tegar.sim.world import World
from tegar.store import hosts, networks
from tegar.store.hosts import Hold, Host, HostUse
from tegar.store.networks import GuestAddress, Network
from tegar.store.pools import Pool, PoolUse
from tegar.store.vms import Vm
from tegar.store.volumes import Volume

THREADS = 16
T = TypeVar("T")


@pytest.fixture
def cloud(db: Db) -> Iterator[Cloud]:
    """A cloud in real time with a zone, on SQLite and again on MariaDB."""
    clock = WallClock()
    db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="password"))
    whole = Cloud(db, World(clock=clock), clock)  # type: ignore[arg-type]
    yield whole
    whole.close()
    assert whole.world.violations == []


def together(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Run *work* in many threads that begin at one moment; return what each returned."""
    gate, found = threading.Barrier(threads), dict[int, Any]()

    def run(n: int) -> None:
        gate.wait()
        try:
            found[n] = work(n)
        except BaseException as e:
            found[n] = e

    ran = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in ran:
        thread.start()
    for thread in ran:
        thread.join(120)
    for one in found.values():
        if isinstance(one, BaseException):
            raise one
    assert len(found) == threads, "some thread has not ended"
    return [found[n] for n in range(threads)]


def text_of(answer: Answer) -> str:
    inner = json.loads(render.as_json(answer.key, answer.inner))[answer.key]
    return str(inner.get("errortext", ""))


def ask(caller: Caller, command: str, **params: Any) -> Answer:
    """Ask without letting the cloud work, so that threads meet in the database."""
    return caller.cloud.serving.answer(
        Request(sign({"command": command, **flat(params)}, caller.api_key, caller.secret))
    )


def work_off(cloud: Cloud) -> Counter[str]:
    """Let many servers run all open sagas at once; return how many ended how."""

    def serve(n: int) -> None:
        engine = cloud.make_engine(owner=f"server-{n}")
        open_ids = select(SagaRow.id).where(SagaRow.state == State.PENDING)
        while ids := cloud.db.read(lambda s: s.scalars(open_ids).all()):
            for saga_id in ids:
                if engine.claim(saga_id):
                    while (pause_s := engine.drive(saga_id)) is not None:
                        cloud.clock.sleep(pause_s)

    together(serve, 8)
    return Counter(cloud.db.read(lambda s: s.scalars(select(SagaRow.state)).all()))


def test_a_host_with_room_for_five_takes_five(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    host = cloud.db.read(lambda s: s.scalars(select(Host)).one())
    limits = {"cpu_limit_mhz": 10**9, "memory_limit_bytes": 5 * GIB + MIB}

    got = together(
        lambda n: cloud.db.tx(
            lambda s: hosts.hold(s, host, vm_id=n + 1, cpu_mhz=500, memory_bytes=GIB, **limits)
        )
    )

    assert Counter(got) == {True: 5, False: THREADS - 5}
    use = cloud.db.read(lambda s: s.get_one(HostUse, host.id))
    assert (use.memory_bytes, use.cpu_mhz) == (5 * GIB, 2500)
    assert cloud.db.read(lambda s: s.scalar(select(func.count()).select_from(Hold))) == 5


def test_one_vm_that_is_held_by_many_is_held_once(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    host = cloud.db.read(lambda s: s.scalars(select(Host)).one())
    limits = {"cpu_limit_mhz": 10**9, "memory_limit_bytes": 50 * GIB}

    def hold(n: int) -> bool:
        return cloud.db.tx(lambda s: hosts.hold(s, host, vm_id=7, cpu_mhz=500, memory_bytes=GIB, **limits))

    assert together(hold) == [True] * THREADS
    assert cloud.db.read(lambda s: s.get_one(HostUse, host.id)).memory_bytes == GIB
    together(lambda n: cloud.db.tx(lambda s: hosts.release(s, vm_id=7)))
    assert cloud.db.read(lambda s: s.get_one(HostUse, host.id)).memory_bytes == 0


def test_a_network_with_ten_addresses_gives_ten(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1, addresses=10)
    network_id = cloud.db.read(lambda s: s.scalars(select(Network.id)).one())

    got = together(lambda n: cloud.db.tx(lambda s: networks.take_address(s, network_id, 1000 + n)))

    given = [ip for ip in got if ip is not None]
    assert (len(given), len(set(given))) == (10, 10)
    rows = cloud.db.read(lambda s: s.scalars(select(GuestAddress.nic_id)).all())
    assert len(set(rows)) == 10


def test_deploys_that_race_for_addresses_get_different_ones(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=1, addresses=10)

    answers = together(
        lambda n: ask(cloud.admin, "deployVirtualMachine", **built.vm(startvm=False, name=f"v{n}"))
    )

    refused = [a for a in answers if a.status != 200]
    assert Counter(a.status for a in answers) == {200: 10, 533: THREADS - 10}, {text_of(a) for a in refused}
    assert {text_of(a) for a in refused} == {"Network net has no free address"}
    vms = cloud.api("listVirtualMachines")["virtualmachine"]
    assert len({vm["nic"][0]["ipaddress"] for vm in vms}) == len(vms) == 10


def test_requests_that_race_to_start_a_vm_make_one_job(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    made = cloud.do("deployVirtualMachine", **built.vm(startvm=False))
    uuid = made["virtualmachine"]["id"]

    answers = together(lambda n: ask(cloud.admin, "startVirtualMachine", id=uuid), 8)

    refused = [a for a in answers if a.status != 200]
    assert len(refused) == 7
    assert {a.status for a in refused} == {431}, {text_of(a) for a in refused}
    assert {text_of(a) for a in refused} == {"A VM that is Starting cannot be started; it must be Stopped"}
    started = cloud.db.read(lambda s: s.scalars(select(SagaRow).where(SagaRow.name == "vm.start")).all())
    assert len(started) == 1
    cloud.settle()
    assert cloud.world.where(uuid) in (["h1"], ["h2"])


def test_attaches_that_race_for_a_volume_give_it_to_one_vm(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    vms = [
        cloud.do("deployVirtualMachine", **built.vm(startvm=False, name=f"v{n}"))["virtualmachine"]["id"]
        for n in range(4)
    ]
    disk = cloud.api("listDiskOfferings", name="Small")["diskoffering"][0]["id"]
    volume = cloud.do("createVolume", name="d", zoneid=built.zone, diskofferingid=disk)["volume"]["id"]

    answers = together(lambda n: ask(cloud.admin, "attachVolume", id=volume, virtualmachineid=vms[n % 4]), 8)

    refused = [a for a in answers if a.status != 200]
    assert (len(refused), {a.status for a in refused}) == (7, {431}), {text_of(a) for a in refused}
    assert {text_of(a) for a in refused} == {"Volume d is attached already; detach it first"}
    cloud.settle()
    assert cloud.api("listVolumes", id=volume)["volume"][0]["virtualmachineid"] in vms


def test_volumes_that_race_for_one_vm_get_places_of_their_own(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    vm = cloud.do("deployVirtualMachine", **built.vm(startvm=False))["virtualmachine"]["id"]
    disk = cloud.api("listDiskOfferings", name="Small")["diskoffering"][0]["id"]
    volumes = [
        cloud.do("createVolume", zoneid=built.zone, diskofferingid=disk)["volume"]["id"] for _ in range(6)
    ]

    answers = together(lambda n: ask(cloud.admin, "attachVolume", id=volumes[n], virtualmachineid=vm), 6)

    assert [a.status for a in answers] == [200] * 6, {text_of(a) for a in answers if a.status != 200}
    places = cloud.db.read(lambda s: s.scalars(select(Volume.device_id)).all())
    assert sorted(p for p in places if p is not None) == [0, 1, 2, 3, 4, 5, 6]


def test_deploys_that_race_for_the_last_bytes_of_a_pool(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=4)
    pool = cloud.db.read(lambda s: s.scalars(select(Pool)).one())
    factor = cloud.db.read(lambda s: pool_limit(s, pool)) / pool.capacity_bytes
    fits = int(3 * GIB / factor) + MIB
    cloud.db.tx(lambda s: s.execute(update(Pool).values(capacity_bytes=fits)))
    for n in range(8):
        cloud.api("deployVirtualMachine", **built.vm(name=f"v{n}"))

    ended = work_off(cloud)

    assert ended == {State.DONE: 3, State.FAILED: 5}
    states = Counter(vm["state"] for vm in cloud.api("listVirtualMachines")["virtualmachine"])
    assert states == {"Running": 3, "Error": 5}
    use = cloud.db.read(lambda s: s.scalars(select(PoolUse)).one())
    assert use.allocated_bytes == 3 * GIB
    held = cloud.db.read(lambda s: s.scalars(select(func.sum(HostUse.memory_bytes))).one())
    assert held == 3 * 256 * MIB
    assert len(list(cloud.world.guests())) == 3


def test_starts_that_race_for_the_last_room_of_a_host(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=1, memory_bytes=10 * GIB)
    for n in range(8):
        cloud.api("deployVirtualMachine", **built.vm(name=f"v{n}"))

    ended = work_off(cloud)

    assert ended == {State.DONE: 6, State.FAILED: 2}
    running = cloud.db.read(lambda s: s.scalars(select(Vm.host_id).where(Vm.host_id.is_not(None))).all())
    assert len(running) == 6
    assert cloud.db.read(lambda s: s.scalars(select(HostUse.memory_bytes)).one()) == 60 * GIB
