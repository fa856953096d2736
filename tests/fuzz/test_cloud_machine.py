"""A machine that does anything to a cloud, in any order, and looks after each step whether it still adds up.

Sagas run in pieces and between each other, servers die and others take over, hosts lose their
connection or their power and come back, answers are lost.  What must hold is said once, in Books.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from support.cloud import KEY, Cloud
from tegar.api import render
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db, live
from tegar.kernel.errors import NotYet
from tegar.kernel.saga import OPEN, SagaRow, State
from tegar.kernel.secret import Vault
from tegar.loop import expunge, host_pulse, router_repair, stuck_jobs, vm_power
from tegar.model.host import State as HostState
from tegar.model.units import GIB, MIB
from tegar.model.vm import State as VmState
from tegar.model.volume import State as DiskState
from tegar.ops.bootstrap import bootstrap
from tegar.sim.things import Shape
from tegar.sim.world import World
from tegar.store.hosts import Hold, Host, HostUse
from tegar.store.networks import GuestAddress, Nic
from tegar.store.pools import PoolUse
from tegar.store.schema import METADATA
from tegar.store.vms import Vm
from tegar.store.volumes import Volume

HOSTS = ("h1", "h2", "h3")
MOVING = {VmState.STARTING, VmState.STOPPING, VmState.MIGRATING, VmState.EXPUNGING}
HAS_FILE = {DiskState.READY, DiskState.DESTROY}
LOSABLE = ("StartDomain", "StopDomain", "CreateDisk", "DeleteDisk", "AttachDisk", "DetachDisk", "ApplyRouter",
           "MigrateDomain", "SeedTemplate", "*")  # fmt: skip

which = st.integers(0, 7)
a_host = st.sampled_from(HOSTS)
any_host = st.sampled_from(["", "", *HOSTS])
steps = st.sampled_from([0, 1, 3, 30])


@cache
def blank(home: str) -> Path:
    """Return a database with all tables and an administrator, made once."""
    file = Path(home) / "blank.db"
    db = Db(f"sqlite:///{file}", ManualClock())
    METADATA.create_all(db.engine)
    db.tx(lambda s: bootstrap(s, Vault(KEY), db.clock.now_s(), admin_password=""))
    db.close()
    return file


class Stumbles:
    """A probe that makes sagas stop between their steps, so that others run in between."""

    times = 1

    def __init__(self) -> None:
        self.chance, self._random = 0.0, random.Random(0)

    def from_now(self, chance: float, seed: int) -> None:
        """Stop at that part of all points."""
        self.chance, self._random = chance, random.Random(seed)

    def at(self, point: str, saga: str, step: str) -> None:
        """Stop here, or not; after a step this means that it is done twice."""
        if self._random.random() < self.chance:
            raise NotYet(f"{saga}/{step}", after_s=0.5)


class Books:
    """What must add up; ``quiet`` VMs are those at which no saga works."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def check(self, *, settled: bool) -> None:
        """Compare rows with rows, and with the world when all sagas have ended."""
        assert self.cloud.world.violations == []
        self.cloud.db.read(self._rows)
        if settled:
            self.cloud.db.read(self._files)
            self.cloud.db.read(self._domains)

    def _rows(self, s: Any) -> None:
        held: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        holds: dict[int, list[int]] = defaultdict(list)
        for hold in s.scalars(select(Hold)):
            held[hold.host_id][0] += hold.cpu_mhz
            held[hold.host_id][1] += hold.memory_bytes
            holds[hold.vm_id].append(hold.host_id)
        for use in s.scalars(select(HostUse)):
            assert [use.cpu_mhz, use.memory_bytes] == held[use.host_id], f"host {use.host_id}: use and holds"
        vms = {vm.id: vm for vm in s.scalars(select(Vm))}
        busy = busy_vms(s)
        for vm in vms.values():
            if vm.id not in busy:
                assert vm.state not in MOVING, f"VM {vm.name} is {vm.state} and nobody works at it"
                here = [vm.host_id] if vm.state == VmState.RUNNING else []
                assert holds[vm.id] == here, (
                    f"VM {vm.name} is {vm.state}, on {here}, and holds {holds[vm.id]}"
                )
            for host_id in holds[vm.id]:
                hold = s.scalars(select(Hold).where(Hold.vm_id == vm.id, Hold.host_id == host_id)).one()
                assert (hold.memory_bytes, hold.cpu_mhz) == (vm.memory_bytes, vm.cpus * vm.cpu_mhz)
        promised = Counter[int]()
        for volume in s.scalars(select(Volume)):
            if volume.held_bytes:
                promised[volume.pool_id] += volume.held_bytes
                assert volume.held_bytes == volume.size_bytes
                assert volume.removed_s is None
        for pool_use in s.scalars(select(PoolUse)):
            assert pool_use.allocated_bytes == promised[pool_use.pool_id], "pool: promises and volumes"
        nics = {nic.id: nic for nic in s.scalars(select(Nic).where(live(Nic)))}
        taken = {
            a.nic_id: a.ip for a in s.scalars(select(GuestAddress).where(GuestAddress.nic_id.is_not(None)))
        }
        assert {nic.id: nic.ip for nic in nics.values()} == taken, "addresses and NICs"

    def _files(self, s: Any) -> None:
        there = {uuid for pool in self.cloud.world.pools.values() for uuid in pool.disks}
        want = {v.uuid for v in s.scalars(select(Volume).where(live(Volume))) if v.state in HAS_FILE}
        assert there - want == set(), "files without volumes"
        assert want - there == set(), "volumes without files"

    def _domains(self, s: Any) -> None:
        up = {h.name: h.id for h in s.scalars(select(Host)) if h.state == HostState.UP}
        want = {vm.uuid: vm.host_id for vm in s.scalars(select(Vm)) if vm.state == VmState.RUNNING}
        for name, host_id in up.items():
            for uuid in self.cloud.world.machine(name).guests:
                assert want.get(uuid) == host_id, f"{uuid} runs on {name} and should not"


def busy_vms(s: Any) -> set[int]:
    """Return the VMs at which a saga works, or has got stuck."""
    stmt = select(SagaRow).where(SagaRow.state.in_([*OPEN, State.STUCK]))
    found = set()
    for saga in s.scalars(stmt):
        found.add(json.loads(saga.params).get("vm_id"))
    return found


def some(*states: VmState) -> Callable[[Any], Any]:
    """Run the rule only when there is a VM in one of the states, so that few requests are in vain."""
    return precondition(lambda self: any(self.states[state] for state in states))


class CloudMachine(RuleBasedStateMachine):
    """The rules: what callers, servers, hosts and time may do."""

    numbers = itertools.count()
    home = tempfile.TemporaryDirectory(
        prefix="tegar-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )

    def __init__(self) -> None:
        super().__init__()
        clock = ManualClock()
        self.file = Path(self.home.name) / f"{next(self.numbers)}.db"
        shutil.copy(blank(self.home.name), self.file)
        self.db = Db(f"sqlite:///{self.file}", clock)
        shape = Shape(memory_bytes=3 * GIB // 2, pool_bytes=8 * GIB)
        self.cloud = Cloud(self.db, World(clock=clock, shape=shape), clock)
        self.cloud.hold = True
        self.built = self.cloud.ready_zone(hosts=len(HOSTS), memory_bytes=512 * MIB, addresses=12)
        self.disk = self.cloud.api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"]
        self.stumbles, self.servers = Stumbles(), 1
        self.cloud.engine = self.cloud.make_engine(self.stumbles, "server-1")
        self.books, self.pulses = Books(self.cloud), host_pulse.Pulses(self.cloud.env)
        self.jobs: list[str] = []
        self.states, self.attached = Counter[VmState](), False

    def teardown(self) -> None:
        """Let everything come back, and then all must add up and every job must have an answer."""
        try:
            self._peace()
        finally:
            self.cloud.close()
            self.db.close()
            self.file.unlink()

    def _peace(self) -> None:
        self.stumbles.chance = 0.0
        for name in HOSTS:
            self._heal(name)
        for _ in range(6):
            self._loops(60)
            self._finish()
        self.books.check(settled=True)
        left = self.db.read(
            lambda s: s.scalars(select(SagaRow).where(SagaRow.state.in_([*OPEN, State.STUCK]))).all()
        )
        assert [(saga.name, saga.state, saga.error) for saga in left] == []
        for job in self.jobs:
            found = self.cloud.api("queryAsyncJobResult", jobid=job)
            assert found["jobstatus"] in (1, 2), found
            if found["jobstatus"] == 2:
                assert "nternal error" not in found["jobresult"]["errortext"], found

    # ── asking ──

    def ask(self, command: str, **params: Any) -> None:
        """Ask as the administrator; a refusal is an answer, an internal error is not."""
        answer = self.cloud.admin.answer(command, **params)
        inner = json.loads(render.as_json(answer.key, answer.inner))[answer.key]
        assert answer.status != 530, (command, inner)
        assert "nternal error" not in str(inner.get("errortext", "")), (command, inner)
        if answer.status == 200 and "jobid" in inner:
            self.jobs.append(inner["jobid"])

    def one_of(self, kind: Any, number: int, *conditions: Any) -> str:
        """Return the uuid of a live row."""
        stmt = select(kind.uuid).where(live(kind), *conditions).order_by(kind.id)
        found = self.db.read(lambda s: s.scalars(stmt).all())
        return found[number % len(found)] if found else "00000000-0000-4000-8000-000000000000"

    @rule(start=st.sampled_from([True, True, True, False]), host=any_host, disk=st.booleans(), then=steps)
    def deploy(self, start: bool, host: str, disk: bool, then: int) -> None:
        """Deploy a VM, perhaps with a data disk, perhaps on one host only."""
        more = {"diskofferingid": self.disk, "size": 1} if disk else {}
        self.ask(
            "deployVirtualMachine", **self.built.vm(startvm=start, hostid=self.built.hosts.get(host), **more)
        )
        self.work(then)

    @rule(
        n=which,
        verb=st.sampled_from(["start", "stop", "reboot", "destroy", "recover", "expunge"]),
        then=steps,
    )
    def anything(self, n: int, verb: str, then: int) -> None:
        """Ask something of any VM, whether it makes sense or not."""
        self.ask(f"{verb}VirtualMachine", id=self.one_of(Vm, n))
        self.work(then)

    @some(VmState.STOPPED)
    @rule(n=which, host=any_host, then=steps)
    def start(self, n: int, host: str, then: int) -> None:
        stopped = self.one_of(Vm, n, Vm.state == VmState.STOPPED)
        self.ask("startVirtualMachine", id=stopped, hostid=self.built.hosts.get(host))
        self.work(then)

    @some(VmState.RUNNING)
    @rule(n=which, verb=st.sampled_from(["stop", "reboot"]), forced=st.booleans(), then=steps)
    def stop(self, n: int, verb: str, forced: bool, then: int) -> None:
        running = self.one_of(Vm, n, Vm.state == VmState.RUNNING)
        self.ask(f"{verb}VirtualMachine", id=running, forced=forced)
        self.work(then)

    @some(VmState.RUNNING)
    @rule(n=which, host=any_host, then=steps)
    def migrate(self, n: int, host: str, then: int) -> None:
        running = self.one_of(Vm, n, Vm.state == VmState.RUNNING)
        self.ask("migrateVirtualMachine", virtualmachineid=running, hostid=self.built.hosts.get(host))
        self.work(then)

    @some(VmState.RUNNING, VmState.STOPPED, VmState.ERROR)
    @rule(n=which, gone=st.booleans(), disks=st.booleans(), then=steps)
    def destroy(self, n: int, gone: bool, disks: bool, then: int) -> None:
        vm = self.one_of(Vm, n, Vm.state.in_([VmState.RUNNING, VmState.STOPPED, VmState.ERROR]))
        found: list[str] = []
        if gone and disks:
            data = (
                select(Volume.uuid).join(Vm, Vm.id == Volume.vm_id).where(Vm.uuid == vm, Volume.device_id > 0)
            )
            found = list(self.db.read(lambda s: s.scalars(data).all()))
        self.ask("destroyVirtualMachine", id=vm, expunge=gone, volumeids=",".join(found) or None)
        self.work(then)

    @some(VmState.DESTROYED)
    @rule(n=which, verb=st.sampled_from(["recover", "expunge"]), then=steps)
    def recover_or_expunge(self, n: int, verb: str, then: int) -> None:
        self.ask(f"{verb}VirtualMachine", id=self.one_of(Vm, n, Vm.state == VmState.DESTROYED))
        self.work(then)

    @rule(size=st.integers(1, 9), n=which, then=steps)
    def create_and_attach(self, size: int, n: int, then: int) -> None:
        self.ask("createVolume", zoneid=self.built.zone, diskofferingid=self.disk, size=size)
        self.attach(n=-1, vm=n, then=then)

    @rule(n=which, vm=which, then=steps)
    def attach(self, n: int, vm: int, then: int) -> None:
        free = self.one_of(Volume, n, Volume.vm_id.is_(None))
        able = self.one_of(Vm, vm, Vm.state.in_([VmState.RUNNING, VmState.STOPPED]))
        self.ask("attachVolume", id=free, virtualmachineid=able)
        self.work(then)

    @precondition(lambda self: self.attached)
    @rule(n=which, then=steps)
    def detach(self, n: int, then: int) -> None:
        self.ask("detachVolume", id=self.one_of(Volume, n, Volume.device_id > 0))
        self.work(then)

    @rule(n=which, then=steps)
    def delete_volume(self, n: int, then: int) -> None:
        # Synchronous: it gives up waiting, for the saga runs only when the machine says so.
        free = self.one_of(Volume, n, Volume.vm_id.is_(None))
        answer = self.cloud.admin.answer("deleteVolume", id=free)
        assert "nternal error" not in str(answer.inner), answer.inner
        self.work(then)

    # ── working ──

    @rule(chance=st.sampled_from([0.0, 0.3, 0.7]), seed=st.integers(0, 9))
    def sagas_stumble(self, chance: float, seed: int) -> None:
        """From now on sagas pause between steps."""
        self.stumbles.from_now(chance, seed)

    @rule(steps=st.sampled_from([1, 3, 10, 50]))
    def work(self, steps: int) -> None:
        """Let the server drive what is due, so many times."""
        for _ in range(steps):
            if self.cloud._due:
                at_s, saga_id = heapq.heappop(self.cloud._due)
                self.cloud.clock.sleep(max(0.0, at_s - self.cloud.clock.mono_s()))
                self.cloud.step(saga_id)

    @rule()
    def finish(self) -> None:
        """Let all sagas end."""
        self._finish()

    def _finish(self) -> None:
        chance, self.stumbles.chance = self.stumbles.chance, 0.0
        self.cloud.settle()
        self.stumbles.chance = chance

    @rule()
    def server_dies(self) -> None:
        """Another server takes over what the one that died had begun."""
        dead, self.servers = f"server-{self.servers}", self.servers + 1
        self.cloud.engine = self.cloud.make_engine(self.stumbles, f"server-{self.servers}")
        owned = select(SagaRow.id).where(SagaRow.owner == dead).order_by(SagaRow.id)
        for saga_id in self.db.read(lambda s: s.scalars(owned).all()):
            assert self.cloud.engine.claim(saga_id, dead_owner=dead)

    # ── hosts and time ──

    @rule(host=a_host)
    def lose_connection(self, host: str) -> None:
        self.cloud.world.faults(host).connected = False

    @rule(host=a_host)
    def lose_power(self, host: str) -> None:
        self.cloud.world.power_off(host)

    @precondition(lambda self: any(not self.cloud.world.machine(h).powered or not self.cloud.world.faults(h).connected
                                   for h in HOSTS))  # fmt: skip
    @rule()
    def all_come_back(self) -> None:
        for name in HOSTS:
            self._heal(name)
        self._loops(20)

    def _heal(self, name: str) -> None:
        faults = self.cloud.world.faults(name)
        faults.connected, faults.disk_full, faults.storage_away = True, False, False
        faults.lose.clear()
        faults.refuse.clear()
        self.cloud.world.power_on(name)

    @rule(host=a_host, question=st.sampled_from(LOSABLE), times=st.integers(1, 3))
    def answers_are_lost(self, host: str, question: str, times: int) -> None:
        self.cloud.world.faults(host).lose[question] = times

    @rule(host=a_host, question=st.sampled_from(LOSABLE[:-1]))
    def a_question_is_refused(self, host: str, question: str) -> None:
        self.cloud.world.faults(host).refuse[question] = 1

    @rule(n=which)
    def a_guest_ends_by_itself(self, n: int) -> None:
        self.cloud.world.die(self.one_of(Vm, n, Vm.state == VmState.RUNNING))

    @rule(seconds=st.sampled_from([5, 20, 100_000]))
    def time_passes(self, seconds: int) -> None:
        self._loops(seconds)

    def _loops(self, seconds: float) -> None:
        """Let time pass and every loop go round."""
        self.cloud.clock.sleep(seconds)
        self.pulses.round()
        for go in (vm_power.round, router_repair.round, expunge.round):
            go(self.cloud.env)
        stuck_jobs.round(self.cloud.env, self._again)

    def _again(self, saga_id: int) -> None:
        if self.cloud.engine.reopen(saga_id):
            heapq.heappush(self.cloud._due, (self.cloud.clock.mono_s(), saga_id))

    @initialize()
    def something_runs(self) -> None:
        """Begin with a VM that runs."""
        for host in HOSTS[:2]:
            self.deploy(start=True, host=host, disk=host == "h1", then=0)
        self._finish()
        self.it_adds_up()

    @invariant()
    def it_adds_up(self) -> None:
        """Look at the books, and at what there is."""
        self.states = Counter(self.db.read(lambda s: s.scalars(select(Vm.state)).all()))
        attached = select(Volume.id).where(Volume.device_id > 0, Volume.vm_id.is_not(None))
        self.attached = self.db.read(lambda s: s.scalars(attached).first()) is not None
        idle = (
            self.db.read(
                lambda s: s.scalar(select(SagaRow.id).where(SagaRow.state.in_([*OPEN, State.STUCK])))
            )
            is None
        )
        self.books.check(settled=idle and self._all_well())

    def _all_well(self) -> bool:
        return all(m.powered and m.faults.connected for m in map(self.cloud.world.machine, HOSTS))


EXAMPLES = int(os.environ.get("TEGAR_FUZZ_EXAMPLES", "0"))

TestCloud = CloudMachine.TestCase
TestCloud.settings = settings(
    max_examples=EXAMPLES or 20,
    stateful_step_count=30,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.generate] if EXAMPLES else list(Phase),
    suppress_health_check=list(HealthCheck),
)
