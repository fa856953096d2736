"""Each timer of a whole host at one tick before, exactly, and one tick after."""

import pytest

from tegar.guard.warden import Effect, Pet, Verb
from tegar.model.timing import DEFAULT
from tegar.sim.ha.world import Plan, World

TICK_S = 0.001
CUT_S = 30.0


def cluster() -> World:
    world = World(1, Plan(hosts=(DEFAULT,) * 3, bmcs=("none",) * 3, vms=1))
    world.run(4)
    return world


@pytest.mark.parametrize("late_s, resets", [(-TICK_S, False), (TICK_S, True)])
def test_the_watchdog_fires_at_w(late_s: float, resets: bool) -> None:
    world = cluster()
    host = world.hosts["h1"]
    warden = host.warden

    def strike(effect: Effect) -> None:
        if isinstance(effect, Pet):
            warden.ambush = None
            warden.suspend(host.dog.expires_s - world.engine.now_s + late_s)

    warden.ambush = strike
    world.run(8)

    assert any("watchdog fires" in line for line in world.engine.story) is resets


@pytest.mark.parametrize("late_s, pauses", [(-0.05, False), (0.05, True)])
def test_guests_pause_at_s_after_the_last_acked_send(late_s: float, pauses: bool) -> None:
    world = cluster()
    host = world.hosts["h1"]
    while host.warden.machine.wake_s - host.clock.now_s() < DEFAULT.renewal_s - 0.01:
        world.run(0.001)  # a renewal was sent and acked just now
    sent_s = host.warden.machine.leased_s
    assert sent_s is not None
    world.net.part(["h1"], world.witnesses)
    world.run(host.clock.true_s(sent_s + DEFAULT.soft_s) - world.engine.now_s + late_s)

    assert (host.warden.machine.order.verb is Verb.CLOSE) is pauses


@pytest.mark.parametrize("late_s, moves", [(-0.05, False), (0.05, True)])
def test_a_vm_moves_at_d_after_the_last_accept_and_not_before(late_s: float, moves: bool) -> None:
    world = cluster()
    world.net.part(["h1"], [*world.witnesses, "m"])
    world.run(0.01)
    last_s = sorted(max(world.accepted_s["h1", w]) for w in world.witnesses)[1]
    world.run(last_s + DEFAULT.dead_s - world.engine.now_s + late_s)

    assert bool(world.sql.proofs) is moves


@pytest.mark.parametrize("late_s, keeps", [(-0.06, True), (0.06, False)])
def test_a_host_that_returns_before_d_keeps_its_guests(late_s: float, keeps: bool) -> None:
    world = cluster()
    world.net.part(["h1"], [*world.witnesses, "m"])
    world.run(0.01)
    last_s = sorted(max(world.accepted_s["h1", w]) for w in world.witnesses)[1]
    warden = world.hosts["h1"].warden
    world.run(last_s + DEFAULT.dead_s - world.engine.now_s - 0.3)
    while warden.machine.wake_s - world.hosts["h1"].clock.now_s() < DEFAULT.ack_wait_s - 0.02:
        world.run(0.001)
    back_s = last_s + DEFAULT.dead_s + late_s
    machine_wake = world.hosts["h1"].clock
    world.run(back_s - DEFAULT.ack_wait_s - world.engine.now_s)
    warden.machine._round_s = machine_wake.now_s() + DEFAULT.ack_wait_s  # its next renewal is sent at back_s
    warden._wake_s = -1.0
    warden.soon()
    world.run(DEFAULT.ack_wait_s - 0.01)
    world.net.join(["h1"], [*world.witnesses, "m"])
    world.run(CUT_S)

    assert (world.writers["vm1"].host.name == "h1") is keeps


@pytest.mark.parametrize("seconds", [DEFAULT.soft_s - 0.6, DEFAULT.dead_s - 1.0])
def test_a_cut_shorter_than_d_moves_nobody(seconds: float) -> None:
    world = cluster()
    world.net.part(["h1"], [*world.witnesses, "m"])
    world.run(seconds)
    world.net.join(["h1"], [*world.witnesses, "m"])
    world.run(CUT_S)

    assert world.sql.proofs == {}
    assert world.writers["vm1"].host.name == "h1"
