"""A seed's cloud of real sagas, and what befalls it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.model.vm import Event, State
from tegar.saga.vm_migrate import MIGRATE_VM, MigrateVm
from tegar.saga.vm_start import START_VM, StartVm
from tegar.saga.vm_stop import STOP_VM, StopVm
from tegar.sim.ha.cloud import Cloud
from tegar.sim.ha.engine import Violation
from tegar.sim.ha.office import Office
from tegar.store.hosts import Host
from tegar.store.vms import Vm

WARM_S = 4.0
CRITICAL = 50


def run_cloud(seed: int, *, slots: int = 0) -> list[str]:
    """Run a seed to its end and return the story; with *slots* in a cloud where room is scarce.

    Raises:
        Violation: something impossible happened, or all did not become well again.
    """
    rng = random.Random(seed * 2 + 1)  # noqa: S311 - a simulation
    hosts = rng.choice((2, 3, 3, 4))
    cloud = Cloud(
        seed,
        hosts=hosts,
        vms=rng.choice((1, 2, 3)),
        servers=rng.choice((1, 2, 2, 3)),
        bmcs=tuple(f"h{n}" for n in range(1, hosts + 1) if rng.random() < 0.2),
        slots=slots,
        probe=Ambush,
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    try:
        _befall(cloud)
        return cloud.engine.story
    finally:
        cloud.close()
        structlog.reset_defaults()


def broken_clouds(first: int, count: int, *, slots: int = 0) -> list[tuple[int, str]]:
    """Run seeds; return those that break an invariant, and what they say; with *slots* where room is scarce."""
    found = []
    for seed in range(first, first + count):
        try:
            run_cloud(seed, slots=slots)
        except Violation as e:
            found.append((seed, str(e).splitlines()[0].partition(": ")[2]))
    return found


def _befall(cloud: Cloud) -> None:
    rng = cloud.engine.rng
    cloud.run(WARM_S)
    cloud.world.times.migrate_s = rng.choice((0.0, 0.3, 2.0))
    cloud.world.times.start_s = rng.choice((0.0, 0.2, 1.0))
    if rng.random() < 0.4:
        cloud.lost_answers, cloud.way_s = rng.choice((0.0, 0.05, 0.3)), rng.choice((0.002, 0.1, 0.8))
        cloud.guard.net.loss = rng.choice((0.0, 0.02, 0.2))
    count = rng.choice((1, 2, 3, 5, 7))
    chaos_s = 3.0 + 2.5 * count
    faults = [rng.choice(FAULTS) for _ in range(count)]
    if lose_commits in faults:  # what a majority and the database forgot nobody knows; see docs/ha.md
        cloud.forgetful = [rng.choice(list(cloud.guard.witnesses))]
    if cloud.room is not None:
        for _ in range(4):
            cloud.engine.after(rng.uniform(0, chaos_s), cloud.deploy_another)
    for fault in faults:
        cloud.engine.after(rng.uniform(0, chaos_s), fault, cloud)
    cloud.run(chaos_s + rng.choice((0.5, 5.0, 12.0)))
    cloud.heal()
    cloud.settle()


def _long(cloud: Cloud) -> float:
    return cloud.engine.rng.choice((0.4, 1.2, 2.5, 5.0, 9.0, 14.0)) * cloud.engine.rng.uniform(0.8, 1.2)


def _host(cloud: Cloud) -> Any:
    return cloud.engine.rng.choice(list(cloud.guard.hosts.values()))


def lose_power(cloud: Cloud) -> None:
    """A plug is pulled, and put back later."""
    host = _host(cloud)
    host.power_off("power lost")
    cloud.engine.after(_long(cloud), host.power_on)


def cut_host(cloud: Cloud) -> None:
    """A host loses all links, or only those to servers, or only one way."""
    rng, host, seconds = cloud.engine.rng, _host(cloud), _long(cloud)
    others = [*cloud.servers] if rng.random() < 0.3 else [*cloud.guard.witnesses, *cloud.servers]
    cloud.log(f"{host.name}: cut from {' '.join(others)} for {seconds:.1f} s")
    cloud.guard.net.part([host.name], others, one_way=rng.random() < 0.3)
    cloud.engine.after(seconds, cloud.guard.net.join, [host.name], others)


def blip(cloud: Cloud) -> None:
    """A switch restarts."""
    seconds, names = _long(cloud), [*cloud.guard.hosts, *cloud.guard.witnesses, *cloud.servers]
    cloud.log(f"switch restarts, {seconds:.1f} s")
    cloud.guard.net.part(names, names)
    cloud.engine.after(seconds, cloud.guard.net.join, names, names)


def crash_witness(cloud: Cloud) -> None:
    """A witness loses its memory; always the same one where the database loses commits."""
    name = cloud.engine.rng.choice(cloud.forgetful or list(cloud.guard.witnesses))
    witness = cloud.guard.witnesses[name]
    cloud.log(f"{witness.name}: crashes")
    witness.crash()
    cloud.engine.after(cloud.engine.rng.choice((0.1, 1.0, 6.0)), witness.start)


def kill_server(cloud: Cloud) -> None:
    """A server dies, and comes back."""
    kill(cloud, cloud.some_server(), _long(cloud))


def kill(cloud: Cloud, server: Office, seconds: float) -> None:
    """Kill this server; another process of it begins after so long."""
    if not server.dead:
        cloud.log(f"{server.name}: dies")
        server.dead = True
        cloud.engine.after(seconds, _again, cloud, server)


def _again(cloud: Cloud, server: Office) -> None:
    if cloud.servers[server.name] is server:
        cloud.restart_server(server.name)


def stop_server(cloud: Cloud) -> None:
    """SIGSTOP."""
    suspend(cloud, cloud.some_server(), _long(cloud))


def suspend(cloud: Cloud, server: Office, seconds: float) -> None:
    """Stop this server as SIGSTOP would."""
    cloud.log(f"{server.name}: suspended for {seconds:.1f} s")
    server.held_until_s = max(server.held_until_s, cloud.engine.now_s + seconds)


class Ambush:
    """Lies in wait at a point of a saga; there the saga's server dies or is suspended."""

    times = 1

    def __init__(self, cloud: Cloud, server: Office) -> None:
        """Watch the engine of a server."""
        self._cloud, self._server = cloud, server

    def at(self, point: str, saga: str, step: str) -> None:
        """Strike, if this is a point and the moment is one."""
        cloud = self._cloud
        if cloud.strikes <= 0 or cloud.engine.rng.random() > 0.25:
            return
        cloud.strikes -= 1
        cloud.log(f"{self._server.name}: {point} {step} of {saga}")
        if cloud.engine.rng.random() < 0.5:
            kill(cloud, self._server, _long(cloud))
        else:
            suspend(cloud, self._server, _long(cloud))
        cloud.stage.sleep(0.0)


def ambush_saga(cloud: Cloud) -> None:
    """A saga's owner dies or sleeps between any two points, as sagas begin."""
    cloud.strikes += 1
    cloud.engine.rng.choice((lose_power, ask_for_something, ask_for_something))(cloud)


def lose_database(cloud: Cloud) -> None:
    """The database is away, for one server or all."""
    seconds, rng = _long(cloud), cloud.engine.rng
    servers = list(cloud.servers.values()) if rng.random() < 0.5 else [cloud.some_server()]
    cloud.log(f"{' '.join(s.name for s in servers)}: no database for {seconds:.1f} s")
    for server in servers:
        server.db.away_until_s = cloud.engine.now_s + seconds


def lose_commits(cloud: Cloud) -> None:
    """The database fails over to a copy of this moment after a while, mostly just after a host died."""
    rng = cloud.engine.rng
    copy = cloud.snapshot()
    if rng.random() < 0.7:
        lose_power(cloud)
    cloud.engine.after(rng.uniform(0.1, 9.0), cloud.fail_over, copy)


def lose_answers(cloud: Cloud) -> None:
    """Agents' answers are lost for a while, after the effect."""
    cloud.lost_answers = 0.5
    cloud.engine.after(_long(cloud), partial(setattr, cloud, "lost_answers", 0.0))


def end_guest(cloud: Cloud) -> None:
    """A QEMU process dies."""
    running = sorted(guest.spec.uuid for _, guest in cloud.world.guests() if guest.runs)
    if running:
        uuid = cloud.engine.rng.choice(running)
        cloud.log(f"the process of vm{cloud.vms.index(uuid) + 1} dies")
        cloud.world.die(uuid)
        for host in cloud.guard.hosts:
            for at in cloud.places.get(uuid, ()):
                cloud.over.add((uuid, host, at[3]))


def restart_hands(cloud: Cloud) -> None:
    """Agent or warden restart."""
    host = _host(cloud)
    cloud.engine.rng.choice((host.restart_hands, host.restart_warden))()


def flap(cloud: Cloud) -> None:
    """A host is heard and not heard."""
    host = _host(cloud)
    for i in range(3):
        cloud.engine.after(3.5 * i, cloud.guard.net.part, [host.name], [*cloud.guard.witnesses])
        cloud.engine.after(3.5 * i + 2.2, cloud.guard.net.join, [host.name], [*cloud.guard.witnesses])


def ask_for_something(cloud: Cloud) -> None:
    """Users ask: migrate, stop, start."""
    for uuid in cloud.vms:
        cloud.some_server().do(partial(request, uuid=uuid, toss=cloud.engine.rng.random()))


def request(s: Session, *, uuid: str, toss: float) -> None:
    """Ask to migrate, stop or start a VM, as its state and the toss have it."""
    vm = s.scalars(select(Vm).where(Vm.uuid == uuid)).one_or_none()
    if vm is None or (vm.host_id is None and vm.state != State.STOPPED):
        return
    if vm.state == State.RUNNING and toss < 0.7:
        fire(s, vm, Event.MIGRATE)
        MIGRATE_VM.submit(s, MigrateVm(vm.id, s.get_one(Host, vm.host_id).id))
    elif vm.state == State.RUNNING:
        fire(s, vm, Event.STOP)
        assert vm.host_id is not None
        STOP_VM.submit(s, StopVm(vm.id, vm.host_id, 0.0))
    elif vm.state == State.STOPPED:
        fire(s, vm, Event.START)
        START_VM.submit(s, StartVm(vm.id))


FAULTS: tuple[Callable[[Cloud], None], ...] = (
    lose_power,
    lose_power,
    cut_host,
    cut_host,
    blip,
    crash_witness,
    kill_server,
    stop_server,
    ambush_saga,
    ambush_saga,
    ambush_saga,
    lose_database,
    lose_commits,
    lose_answers,
    end_guest,
    restart_hands,
    flap,
    ask_for_something,
    ask_for_something,
)
