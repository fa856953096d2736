"""A seed's cluster and its faults."""

from __future__ import annotations

import random
from collections.abc import Callable

from tegar.guard.timing import DEFAULT, FAST, Timing
from tegar.guard.warden import Effect, Pet, Verb
from tegar.sim.ha.host import Bmc, Host
from tegar.sim.ha.world import Parts, Plan, World

TWO_STAGE = Timing(watchdog_s=2.0, stages=2, soft_s=1.4, drain_s=0.5)
TIMINGS = (DEFAULT, FAST, FAST, FAST, TWO_STAGE)
BMCS: tuple[Bmc, ...] = ("none", "none", "none", "works", "lies", "dead")
CHAOS_S = 24.0
CALM_S = 34.0


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
    world.run(4)
    if rng.random() < 0.4:
        world.net.loss, world.net.double = rng.choice((0.0, 0.02, 0.2)), rng.choice((0.0, 0.05, 0.3))
        world.net.delay_s = rng.choice((0.001, 0.05, 0.5))
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        fault = rng.choice(FAULTS)
        world.engine.after(rng.uniform(0, CHAOS_S), lambda fault=fault: fault(world))  # type: ignore[misc]
    world.run(CHAOS_S + 1)
    world.heal()
    world.run(world.longest_dead_s + CALM_S)
    world.expect_all_run()
    return world


# ── faults ────────────────────────────────────────────────────────────────────────────────────────


def _host(world: World) -> Host:
    return world.engine.rng.choice(list(world.hosts.values()))


def _long(world: World) -> float:
    return world.engine.rng.choice((0.3, 1.0, 1.6, 2.5, 5.0, 9.0, 15.0)) * world.engine.rng.uniform(0.8, 1.2)


def _everybody(world: World) -> list[str]:
    return [*world.hosts, *world.witnesses, "m"]


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
    """One or all witnesses lose their memory."""
    all_of_them = world.engine.rng.random() < 0.2
    for witness in (
        world.witnesses.values() if all_of_them else [world.engine.rng.choice(list(world.witnesses.values()))]
    ):
        world.engine.say(f"{witness.name}: crashes")
        witness.crash()
        world.engine.after(world.engine.rng.choice((0.1, 1.0, 6.0)), witness.start)


def crash_manager(world: World) -> None:
    """The manager dies; another comes."""
    world.engine.say("manager: dies")
    world.manager.dead = True
    world.engine.after(_long(world), world.restart_manager)


def stop_warden(world: World) -> None:
    """SIGSTOP, now."""
    _host(world).warden.suspend(_long(world) / 2)


def stop_hands(world: World) -> None:
    """SIGSTOP, now."""
    _host(world).hands.suspend(_long(world) / 2)


def stall(world: World) -> None:
    """Storage does not answer one host."""
    _host(world).stall(_long(world))


def stall_all(world: World) -> None:
    """Storage does not answer anybody."""
    seconds = _long(world)
    for host in world.hosts.values():
        host.stall(seconds)


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


FAULTS: tuple[Callable[[World], None], ...] = (
    lose_power,
    isolate,
    isolate,
    split,
    blip,
    crash_witness,
    crash_manager,
    stop_warden,
    stop_hands,
    stall,
    stall_all,
    restart_process,
    ambush,
    ambush_return,
    late_resume,
)
