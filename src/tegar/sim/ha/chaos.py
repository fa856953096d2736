"""A seed's cluster and its faults."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable

from tegar.guard.warden import Effect, Pet, Verb
from tegar.model.timing import DEFAULT, FAST, Timing
from tegar.sim.ha.engine import Violation
from tegar.sim.ha.host import Bmc, Host
from tegar.sim.ha.server import Server
from tegar.sim.ha.world import Parts, Plan, World

TWO_STAGE = Timing(watchdog_s=2.0, stages=2, soft_s=1.4, drain_s=0.5)
TIMINGS = (DEFAULT, FAST, FAST, FAST, TWO_STAGE)
BMCS: tuple[Bmc, ...] = ("none", "none", "none", "works", "lies", "dead")
CALM_S = 40.0


def plan_of(seed: int, parts: Parts | None = None, timings: tuple[Timing, ...] = TIMINGS) -> Plan:
    """Return the cluster of a seed."""
    rng = random.Random(seed * 2 + 1)  # noqa: S311 - a simulation
    hosts = rng.choice((2, 3, 3, 4))
    return Plan(
        hosts=tuple(rng.choice(timings) for _ in range(hosts)),
        bmcs=tuple(rng.choice(BMCS) for _ in range(hosts)),
        witnesses=rng.choice((3, 3, 3, 5)),
        vms=rng.choice((1, 2, 3)),
        wire=rng.random() < 0.1,
        servers=rng.choice((1, 2, 2, 3)),
        move_s=rng.choice((0.2, 1.5, 4.0)),
        boot_s=rng.choice((1.0, 5.0, 8.0)),
        parts=parts or Parts(),
    )


def run_seed(seed: int, parts: Parts | None = None, timings: tuple[Timing, ...] = TIMINGS) -> World:
    """Run a seed to its end and return the world, story and all.

    Raises:
        Violation: an invariant broke.
    """
    world = World(seed, plan_of(seed, parts, timings))
    rng = world.engine.rng
    world.run(3.5)
    if rng.random() < 0.4:
        world.net.loss, world.net.double = rng.choice((0.0, 0.02, 0.2)), rng.choice((0.0, 0.05, 0.3))
        world.net.delay_s = rng.choice((0.001, 0.05, 0.5))
    faults = [rng.choice(FAULTS) for _ in range(rng.choice((1, 1, 2, 3, 5, 8)))]
    if not FORGETTING.isdisjoint(faults):  # what a majority and the database forgot nobody knows: docs/ha.md
        world.forgetful = rng.sample(list(world.witnesses), (len(world.witnesses) - 1) // 2)
    chaos_s = 2.0 + 2.5 * len(faults)
    for fault in faults:
        world.engine.after(rng.uniform(0, chaos_s), fault, world)
    aimed = not AIMED.isdisjoint(faults)
    world.run(chaos_s + (16.0 if aimed else rng.choice((0.5, 4.0, 12.0))))
    world.heal()
    world.run_until_settled(world.longest_dead_s + CALM_S)
    world.expect_all_run()
    return world


def broken(first: int, count: int) -> list[tuple[int, str]]:
    """Run seeds; return those that break an invariant, and what they say.

    A world is full of cycles and its end frees all of it: collecting garbage in between only takes time.
    """
    found = []
    collects = gc.isenabled()
    gc.disable()
    try:
        for seed in range(first, first + count):
            try:
                run_seed(seed)
            except Violation as e:
                found.append((seed, str(e).splitlines()[0].partition(": ")[2]))
    finally:
        if collects:
            gc.enable()
        gc.collect()
    return found


# ── faults ────────────────────────────────────────────────────────────────────────────────────────


def _host(world: World) -> Host:
    return world.engine.rng.choice(list(world.hosts.values()))


def _long(world: World) -> float:
    return world.engine.rng.choice((0.3, 1.0, 1.6, 2.5, 5.0, 9.0, 15.0)) * world.engine.rng.uniform(0.8, 1.2)


def _everybody(world: World) -> list[str]:
    return [*world.hosts, *world.witnesses, *world.servers]


def lose_power(world: World) -> None:
    """A plug is pulled, and put back later."""
    host = _host(world)
    host.power_off("power lost")
    world.engine.after(_long(world), host.power_on)


def isolate(world: World) -> None:
    """A host loses every link for a while, or only what it sends or hears."""
    cut_off(world, _host(world), _long(world), one_way=world.engine.rng.random() < 0.3)


def cut_off(world: World, host: Host, seconds: float, *, one_way: bool = False) -> None:
    """Cut one host from everybody."""
    world.engine.say(f"{host.name}: cut off for {seconds:.1f} s{', one way' if one_way else ''}")
    sides = [[host.name], _everybody(world)]
    if one_way and world.engine.rng.random() < 0.5:
        sides.reverse()
    world.net.part(*sides, one_way=one_way)
    world.engine.after(seconds, lambda: world.net.join(*sides))


def split(world: World) -> None:
    """Some see only each other."""
    names = _everybody(world)
    world.engine.rng.shuffle(names)
    some, others = names[: len(names) // 2], names[len(names) // 2 :]
    seconds = _long(world)
    world.engine.say(f"network split for {seconds:.1f} s: {' '.join(sorted(some))}")
    world.net.part(some, others)
    world.engine.after(seconds, lambda: world.net.join(some, others))


def blip(world: World) -> None:
    """A switch restarts: nobody hears anybody."""
    seconds = _long(world)
    world.engine.say(f"switch restarts, {seconds:.1f} s")
    names = _everybody(world)
    world.net.part(names, names)
    world.engine.after(seconds, lambda: world.net.join(names, names))


def crash_witness(world: World) -> None:
    """One or all witnesses lose their memory; only some of them do where the database loses commits."""
    rng = world.engine.rng
    names = world.forgetful or list(world.witnesses)
    for name in names if rng.random() < 0.2 else [rng.choice(names)]:
        restart_witness(world, name, rng.choice((0.1, 1.0, 6.0)))


def restart_witness(world: World, name: str, seconds: float) -> None:
    """A witness loses its memory; it is started again after so long."""
    witness = world.witnesses[name]
    world.engine.say(f"{name}: crashes")
    witness.crash()
    world.engine.after(seconds, witness.start)


def _server(world: World) -> Server:
    """Return the leader, mostly."""
    leader = world.leader
    if leader is not None and world.engine.rng.random() < 0.8:
        return leader
    return world.engine.rng.choice(list(world.servers.values()))


def crash_server(world: World) -> None:
    """A management server dies, and comes back later."""
    kill_server(world, _server(world), _long(world))


def kill_server(world: World, server: Server, seconds: float) -> None:
    """Kill a server; it is started again after so long."""
    if not server.dead:
        world.engine.say(f"{server.name}: dies")
        server.dead = True
        world.engine.after(seconds, world.restart_server, server.name)


def stop_server(world: World) -> None:
    """SIGSTOP, now; another leads meanwhile, and then two believe they do."""
    _server(world).suspend(_long(world))


def stop_server_between(world: World) -> None:
    """SIGSTOP, or death, between a decision and the act."""
    rng = world.engine.rng
    point, kills, seconds = (
        rng.choice(("proven", "ripe", "granted", "moved")),
        rng.random() < 0.4,
        _long(world),
    )
    for server in list(world.servers.values()):
        ambush_server(world, server, point, seconds, kills=kills)
    if rng.random() < 0.7:
        lose_power(world)
    else:
        move_a_vm(world)


def ambush_server(world: World, server: Server, point: str, seconds: float, *, kills: bool = False) -> None:
    """Lie in wait until the server is at that point."""

    def strike(reached: str) -> None:
        if reached == point:
            for other in world.servers.values():
                other.ambush = None
            world.engine.say(f"{server.name}: is about to act ({point})")
            if kills:
                kill_server(world, server, seconds)
            else:
                server.suspend(seconds)

    server.ambush = strike


def lose_database(world: World) -> None:
    """The database is away, for all servers or for one."""
    sql, seconds = world.sql, _long(world)
    if world.engine.rng.random() < 0.5:
        world.engine.say(f"the database is away for {seconds:.1f} s")
        sql.away_until_s = max(sql.away_until_s, world.engine.now_s + seconds)
        return
    server = _server(world)
    world.engine.say(f"{server.name}: cut from the database for {seconds:.1f} s")
    sql.unheard.add(server.uuid)
    world.engine.after(seconds, sql.unheard.discard, server.uuid)


def lose_commits(world: World) -> None:
    """The database fails over to a stale copy, mostly just after something was decided."""
    rng = world.engine.rng
    lost_s, wait_s = rng.choice((0.05, 0.5, 2.0, 8.0)), rng.uniform(0.0, 14.0)
    if rng.random() < 0.7:
        lose_power(world)
    world.engine.after(wait_s, fail_over, world, lost_s)


def fail_over(world: World, lost_s: float) -> None:
    """The database becomes what it was so long ago."""
    world.engine.say(f"the database fails over and loses {lost_s:.2f} s of commits")
    world.sql.lose_commits(lost_s)
    if world.sql.tables.armed:
        world.disarmed_s = -1.0  # that HA was disarmed may be lost as well


def forget_a_raise(world: World) -> None:
    """Some witnesses miss a raise, a minority of those that knew it restart, and the database loses it."""
    rng, restarts = world.engine.rng, world.forgetful
    others = [name for name in world.witnesses if name not in restarts]
    missed = rng.sample(others, len(world.witnesses) // 2 - rng.choice((0, 0, 1)))
    servers, began_s = list(world.servers), world.engine.now_s
    world.engine.say(f"{' '.join(missed)}: cut from all servers")
    world.net.part(missed, servers)

    def forget(lost_s: float) -> None:
        world.engine.after(rng.choice((0.0, 0.0, 12.0)), world.net.join, missed, servers)
        for name in restarts:
            restart_witness(world, name, 0.1)
        fail_over(world, lost_s)

    def strike(reached: str) -> None:
        if reached == "granted":
            for server in world.servers.values():
                server.ambush = None
            wait_s = rng.uniform(0.02, 1.0)
            world.engine.after(wait_s, forget, wait_s + rng.choice((0.01, 0.5, 2.0, 5.0)))

    for server in world.servers.values():
        server.ambush = strike
    rng.choice((lose_power, isolate, move_a_vm, end_guest))(world)
    world.engine.at(began_s + 30.0, world.net.join, missed, servers)


def move_a_vm(world: World) -> None:
    """A user migrates VMs, and something may befall source or destination meanwhile."""
    for vm in world.sql.vms:
        world.migrate(vm)
    if world.engine.rng.random() < 0.5:
        world.engine.after(world.engine.rng.uniform(0, 5), lose_power, world)


def end_guest(world: World) -> None:
    """A QEMU process dies on a host that lives."""
    writers = [world.writers[vm] for vm in sorted(world.writers)]
    if writers:
        copy = world.engine.rng.choice(writers)
        if copy.host.powered:
            copy.host.hands.end(copy.vm)


def flap(world: World) -> None:
    """A host is cut off again and again."""
    host = _host(world)
    for i in range(world.engine.rng.choice((3, 5))):
        world.engine.after(4.0 * i, cut_off, world, host, world.engine.rng.uniform(1.6, 3.0))


def disarm(world: World) -> None:
    """An operator disarms HA for planned work on the network, and arms it again."""
    world.arm(armed=False)
    seconds = _long(world) + 3.0
    world.engine.after(
        world.engine.rng.uniform(1.7, 4.0), world.engine.rng.choice((isolate, blip, split)), world
    )
    world.engine.after(seconds, arm_again, world)


def stop_warden(world: World) -> None:
    """SIGSTOP, now or between any two of its next effects."""
    warden, left, seconds = _host(world).warden, world.engine.rng.randrange(20), _long(world) / 2

    def strike(effect: Effect) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            warden.ambush = None
            warden.suspend(seconds)

    if warden.ambush is None and left:
        warden.ambush = strike
    else:
        warden.suspend(seconds)


def stop_hands(world: World) -> None:
    """SIGSTOP, now."""
    _host(world).hands.suspend(_long(world) / 2)


def stall(world: World) -> None:
    """Storage does not answer one host."""
    _host(world).stall(_long(world))


def stall_all(world: World) -> None:
    """Storage does not answer most hosts, or anybody; and then some are cut off, too."""
    seconds, rng = _long(world), world.engine.rng
    hosts = list(world.hosts.values())
    for host in hosts[: rng.choice((len(hosts) // 2 + 1, len(hosts)))]:
        host.stall(seconds)
    if rng.random() < 0.4:
        world.engine.after(rng.uniform(0, 4), isolate, world)


def restart_process(world: World) -> None:
    """Warden or hands restart."""
    host = _host(world)
    world.engine.rng.choice((host.restart_warden, host.restart_hands))()


def ambush(world: World) -> None:
    """The worst moment: stopped between acks and pet until the timer has almost expired, then cut off."""
    ambush_host(world, _host(world), world.engine.rng.choice((0.001, 0.01, 0.05)))


def ambush_return(world: World) -> None:
    """Worse still: on the return from a hold, when the pet before directly preceded the send."""
    host = _host(world)
    cut_off(world, host, 3.0)
    world.engine.after(2.9, lambda: ambush_host(world, host, 0.001, cut_s=12.0))


def ambush_host(world: World, host: Host, spare_s: float, cut_s: float = 20.0) -> None:
    """Lie in wait for the host's next pet by lease; *spare_s* before the timer fires it is let go."""
    warden = host.warden

    def strike(effect: Effect) -> None:
        if isinstance(effect, Pet) and warden.machine.order.verb is Verb.OPEN:
            warden.ambush = again
            cut_off(world, host, cut_s)
            warden.suspend(max(0.0, host.dog.expires_s - world.engine.now_s - spare_s))

    def again(effect: Effect) -> None:
        if not isinstance(effect, Pet):
            warden.ambush = None
            warden.suspend(cut_s)

    warden.ambush = strike


def late_resume(world: World) -> None:
    """A blip long enough to pause, hands stopped as the lease returns, then the host is cut off for long."""
    host = _host(world)
    cut_off(world, host, 3.0)

    def return_(left: int) -> None:
        if left and host.warden.machine.order.verb is not Verb.OPEN:
            world.engine.after(0.0002, lambda: return_(left - 1))
        elif left:
            host.hands.suspend(world.engine.rng.uniform(6, 12))
            world.engine.after(0.3, lambda: cut_off(world, host, 14.0))

    world.engine.after(3.0, lambda: return_(10000))


def arm_again(world: World) -> None:
    """The work on the network is done."""
    if not world.sql.tables.armed:
        world.arm(armed=True)


FAULTS: tuple[Callable[[World], None], ...] = (
    lose_power,
    isolate,
    isolate,
    split,
    blip,
    crash_witness,
    crash_server,
    stop_server,
    stop_server_between,
    stop_server_between,
    lose_database,
    lose_commits,
    forget_a_raise,
    move_a_vm,
    move_a_vm,
    end_guest,
    flap,
    disarm,
    stop_warden,
    stop_hands,
    stall,
    stall_all,
    restart_process,
    ambush,
    ambush,
    ambush_return,
    ambush_return,
    late_resume,
    late_resume,
)

FORGETTING = {lose_commits, forget_a_raise}
AIMED = {ambush, ambush_return, late_resume}  # they take their time, which healing would cut short
