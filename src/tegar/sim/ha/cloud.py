"""A whole cloud on simulated time: the real sagas, HA manager, witnesses and wardens on a real database.

Only hosts, the network and time are simulated.  ``python -m tegar.sim.ha --cloud --seeds N``.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import uuid as uuids
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.ha.witnesses import Address
from tegar.kernel.db import Db, live
from tegar.kernel.saga import OPEN, SagaRow, poke_with
from tegar.kernel.saga import State as SagaState
from tegar.kernel.secret import Vault
from tegar.kernel.wire import Ask
from tegar.model.timing import FAST
from tegar.model.vm import State
from tegar.ops import deploy
from tegar.ops.ctx import Ctx
from tegar.ops.ctx import World as OpsWorld
from tegar.ops.nic import NicWish
from tegar.sim.ha.baton import Stage, StageClock, StageLocks
from tegar.sim.ha.cloud_ground import BUILT, KEY, WITNESSES, Ground, fast_folder, template, uuid_of
from tegar.sim.ha.cloud_host import CloudHands, CloudHost, CloudPower
from tegar.sim.ha.cloud_room import Room, fill
from tegar.sim.ha.engine import Engine
from tegar.sim.ha.host import Bmc
from tegar.sim.ha.office import Office
from tegar.sim.ha.world import Parts, Plan
from tegar.sim.ha.world import World as GuardWorld
from tegar.sim.hosts import agent
from tegar.sim.links import SimLinks
from tegar.sim.world import World
from tegar.sim.zone import fill_storage
from tegar.store.accounts import Account, Domain, User
from tegar.store.images import Template
from tegar.store.leases import Death
from tegar.store.networks import Network, Nic
from tegar.store.offerings import ServiceOffering
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.zones import Zone
from tegar.wire.guard import SetGuard
from tegar.wire.virt import MigrateDomain, ResumeDomain, StartDomain, StopDomain

NO_BMCS: tuple[Bmc, ...] = ("none",)
SETTLE_S = 90.0
AFTER_LOSS_S = 25.0


class Cloud:
    """Servers, hosts, witnesses, a database; and what must never happen."""

    def __init__(
        self,
        seed: int,
        *,
        hosts: int,
        vms: int,
        servers: int,
        bmcs: tuple[str, ...] = (),
        slots: int = 0,
        probe: Callable[[Cloud, Office], Any] = lambda _cloud, _office: None,
    ) -> None:
        """Begin with all up and VMs asked for.

        Args:
            seed: decides everything.
            hosts: how many there are.
            vms: how many VMs with HA are asked for.
            servers: how many management servers there are.
            bmcs: the names of hosts whose power can be cut.
            slots: so many VMs has each host room for, and that room is watched; 0: for all.
            probe: what looks at the points of a server's sagas.
        """
        self.seed, self.engine = seed, Engine(seed)
        self._chance, self._uuid4 = random.getstate(), uuids.uuid4
        names_of = random.Random(seed * 2)  # noqa: S311 - a simulation: names decide the order of things
        random.seed(seed)
        uuids.uuid4 = lambda: uuids.UUID(int=names_of.getrandbits(128), version=4)
        self.stage = Stage(self.engine)
        self.folder = tempfile.TemporaryDirectory(prefix="tegar-sim-", dir=fast_folder())
        self.url = f"sqlite:///{self.folder.name}/cloud.db"
        shutil.copy(template(hosts), f"{self.folder.name}/cloud.db")
        self.clock = StageClock(self.stage)
        self.world = World(hosts, clock=self.clock)
        self.uuids = {f"h{n}": uuid_of("host", n) for n in range(1, hosts + 1)}
        self.db = Db(self.url, self.clock, pool_size=2)
        self.lost_answers, self.way_s = 0.0, 0.002
        self.forgetful: list[str] = []  # the only witnesses that restart where the database loses commits
        self.places: dict[str, list[tuple[str, str, int, int]]] = {}  # VM: host, boot, epoch, VM epoch
        self.over: set[tuple[str, str, int]] = set()  # VM, host, VM epoch: seen to have ended there
        self.lost_commits = False
        self.strikes = 0  # how many servers are yet to die or sleep at a point of a saga
        self.probe = partial(probe, self)
        self._world_of_guard(hosts)
        self._prepare()
        self.room = Room(self) if slots else None
        if slots:
            self.db.tx(lambda s: fill(s, slots))
        names = [f"m{n}" for n in range(1, servers + 1)]
        self.power = CloudPower(self, bmcs)
        self.offset_s = {name: self.engine.rng.uniform(0, 1e5) for name in names}
        self._starts = 0
        poke_with(self._poke)
        self.servers = {name: self.start_server(name) for name in names}
        self.vms = [uuid_of("vm", n) for n in range(1, vms + 1)]
        self.engine.after(2.0, self._deploy)

    def _world_of_guard(self, hosts: int) -> None:
        plan = Plan(
            hosts=(FAST,) * hosts,
            bmcs=NO_BMCS * hosts,
            witnesses=len(WITNESSES),
            vms=0,
            servers=0,
            parts=Parts(hands=CloudHands, host=CloudHost),  # type: ignore[arg-type]
        )
        cloud = self

        class Guarded(GuardWorld):
            def __init__(self) -> None:
                self.cloud = cloud
                super().__init__(cloud.seed, plan, engine=cloud.engine)

        for name, uuid in self.uuids.items():
            machine = self.world.machine(name)
            machine.guard = SetGuard(uuid, "", ())
            machine.agent = replace(agent(self.world, machine), locks=StageLocks(self.stage))
        self.guard: GuardWorld = Guarded()

    def _prepare(self) -> None:
        fill_storage(Ground(self.db, self.world, self.clock, SimLinks(self.world)), BUILT[len(self.uuids)])

    def close(self) -> None:
        """End all work and remove the files."""
        random.setstate(self._chance)
        uuids.uuid4 = self._uuid4
        poke_with(None)
        self.stage.close()
        for server in self.servers.values():
            server.db.close()
        self.db.close()
        self.folder.cleanup()

    def log(self, text: str) -> None:
        """Add a line to the story."""
        self.engine.say(text)

    def circle(self, cluster_id: int) -> Mapping[str, Address]:
        """Return the witnesses."""
        return {name: (name, 1) for name in WITNESSES}

    def process_of(self, host: str) -> Any:
        """Return what an agent's work belongs to."""
        return self.guard.hosts[host].agent_process  # type: ignore[attr-defined]

    # ── servers and users ─────────────────────────────────────────────────────────────────────────

    def start_server(self, name: str) -> Office:
        """Start a server's process."""
        self._starts += 1
        return Office(self, name, self._starts)

    def restart_server(self, name: str) -> None:
        """End a server's process, if it runs, and start another."""
        self.servers[name].dead = True
        self.servers[name] = self.start_server(name)

    def _poke(self, saga_id: int, name: str) -> None:
        owner = self.stage.owner
        if isinstance(owner, Office) and owner.runner is not None:
            owner.runner.poke(saga_id, name)

    def some_server(self) -> Office:
        """Return a server that lives, at random."""
        alive = [server for server in self.servers.values() if not server.dead]
        return self.engine.rng.choice(alive or list(self.servers.values()))

    def ctx(self, s: Session) -> Ctx:
        """Return the administrator in a transaction."""
        user = s.scalars(select(User).where(User.username == "admin")).one()
        account, domain = s.get_one(Account, user.account_id), s.scalars(select(Domain)).first()
        assert domain is not None
        return Ctx(s, user, account, domain, OpsWorld(self.clock, Vault(KEY), "sim"), "sim")

    def _deploy(self) -> None:
        for n, uuid in enumerate(self.vms, 1):
            self.some_server().do(partial(self._deploy_one, n=n, uuid=uuid, ha=True))

    def deploy_another(self) -> None:
        """A user asks for one more VM, without HA."""
        n = len(self.vms) + 1
        self.vms.append(uuid_of("vm", n))
        self.log(f"vm{n}, without HA, is asked for")
        self.some_server().do(partial(self._deploy_one, n=n, uuid=self.vms[-1], ha=False))

    def _deploy_one(self, s: Session, *, n: int, uuid: str, ha: bool) -> None:
        ctx = self.ctx(s)
        offering = s.scalars(select(ServiceOffering).where(ServiceOffering.name == "one")).one()
        wish = deploy.Wish(
            ctx.account,
            s.scalars(select(Zone)).one(),
            s.scalars(select(Template)).one(),
            offering,
            [NicWish(s.scalars(select(Network)).one())],
            name=f"vm{n}",
        )
        saga = deploy.deploy(ctx, wish)
        vm = s.scalars(select(Vm).where(Vm.name == f"vm{n}")).one()
        vm.uuid, vm.ha = uuid, ha
        s.execute(delete(Nic).where(Nic.vm_id == vm.id))  # routers are another story, and wait for real locks
        assert saga is not None

    # ── the database ──────────────────────────────────────────────────────────────────────────────

    def snapshot(self) -> sqlite3.Connection:
        """Return a copy of the database as it is now."""
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        with sqlite3.connect(f"{self.folder.name}/cloud.db") as source:
            source.backup(copy)
        return copy

    def fail_over(self, copy: sqlite3.Connection) -> None:
        """Let the database become the copy: what was committed since is lost."""
        self.log("the database fails over to a stale copy")
        self.lost_commits = True
        for db in (self.db, *(server.db for server in self.servers.values())):
            db.close()
        with sqlite3.connect(f"{self.folder.name}/cloud.db") as target:
            copy.backup(target)

    # ── invariants ────────────────────────────────────────────────────────────────────────────────

    def noted(self, host: str, ask: Ask[Any], work: Callable[[], str]) -> str:
        """Do what an agent was asked, and note places that begin and end."""
        uuid = getattr(ask, "uuid", "")
        if isinstance(ask, StartDomain):
            uuid = ask.spec.uuid
        said = work()
        if isinstance(ask, StartDomain | ResumeDomain):
            permit = ask.permit
            if permit is not None:
                self._begins(uuid, (host, permit.boot, permit.epoch, permit.vm_epoch))
        elif isinstance(ask, StopDomain | MigrateDomain):
            for at in self.places.get(uuid, ()):
                if at[0] == host:
                    self.over.add((uuid, host, at[3]))
        return said

    def _begins(self, uuid: str, place: tuple[str, str, int, int]) -> None:
        known = self.places.setdefault(uuid, [])
        name = f"vm{self.vms.index(uuid) + 1}"
        if place not in known:
            self.log(f"{place[0]}: {name} runs, epoch {place[3]}")
            known.append(place)
        for earlier in known:
            if earlier[3] >= place[3] or earlier[:3] == place[:3] or self.lost_commits:
                continue
            if (uuid, earlier[0], earlier[3]) in self.over:
                continue
            if not self.db.read(lambda s, e=earlier: _is_proven(s, uuid, e)):  # type: ignore[misc]
                self.world.violate(f"{name} runs on {place[0]} without a proof for {earlier}")

    def check(self) -> None:
        """Raise if anything impossible happened.

        Raises:
            Violation: it did.
        """
        if self.world.violations:
            self.engine.violate(self.world.violations[0])
        if self.room is not None:
            self.room.check()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.engine.now_s + seconds
        while self.engine.now_s < end_s:
            self.engine.run(min(end_s, self.engine.now_s + 0.1))
            self.check()

    def heal(self) -> None:
        """Everything works again."""
        self.log("all is healed")
        self.lost_answers, self.way_s = 0.0, 0.002
        self.guard.net.heal()
        for witness in self.guard.witnesses.values():
            witness.start()
        for name, server in list(self.servers.items()):
            server.db.away_until_s = -1.0
            if server.dead:
                self.restart_server(name)
        for host in self.guard.hosts.values():
            if not host.powered:
                host.power_on()

    def restless(self) -> list[str]:
        """Return what is not yet as it should be in the end."""
        found = []
        with_rows = self.db.read(_ends)
        for vm, wait, sagas in with_rows:
            runs = [
                host.name for host, guest in self.world.guests() if guest.spec.uuid == vm.uuid and guest.runs
            ]
            if sagas and not (vm.state == State.STARTING and wait and wait.held):
                found.append(f"{vm.name}: {vm.state.value}, saga {', '.join(sagas)}")
            elif vm.state == State.RUNNING and len(runs) != 1:
                found.append(f"{vm.name} is Running and runs on {runs or 'no host'}")
            elif vm.state == State.STOPPED and runs:
                found.append(f"{vm.name} is Stopped and runs on {runs}")
            elif vm.state in (State.STOPPING, State.MIGRATING, State.STARTING) and not sagas:
                found.append(f"{vm.name} is {vm.state.value} and nobody is at work on it")
        if not any(server.manager for server in self.servers.values()):
            found.append("nobody leads")
        return found

    def settle(self) -> None:
        """Let time pass until all is as it should be.

        Raises:
            Violation: it does not become so.
        """
        if self.lost_commits:  # what runs where is not in the database any more: it may only not run twice
            self.run(AFTER_LOSS_S)
            return
        end_s, well = self.engine.now_s + SETTLE_S, 0
        while well < 3:
            self.run(1.0)
            found = self.restless()
            well = 0 if found else well + 1
            if found and self.engine.now_s > end_s:
                self.engine.violate(f"{SETTLE_S:g} s after all was healed: {'; '.join(found)}")


def _is_proven(s: Session, uuid: str, place: tuple[str, str, int, int]) -> bool:
    host_id, vm = int(place[0][1:]), s.scalars(select(Vm).where(Vm.uuid == uuid)).one()
    stmt = select(Death.id).where(Death.host_id == host_id, Death.vm_id.in_([0, vm.id]))
    of_boot = stmt.where(Death.boot == place[1], Death.epoch >= place[2])
    return s.scalars(of_boot.limit(1)).first() is not None


def _ends(s: Session) -> list[tuple[Vm, Restart | None, list[str]]]:
    sagas = s.scalars(select(SagaRow).where(SagaRow.state.in_([*OPEN, SagaState.STUCK]))).all()
    found = []
    for vm in s.scalars(select(Vm).where(live(Vm)).order_by(Vm.id)):
        mine = [
            f"{row.name} {row.state.value}"
            for row in sagas
            if f'"vm_id":{vm.id}' in row.params.replace(" ", "")
        ]
        found.append((vm, s.get(Restart, vm.id), mine))
    return found
