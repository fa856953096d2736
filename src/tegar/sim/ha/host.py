"""A simulated host: a warden and hands that may be suspended at any point, a watchdog, guests, a BMC."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from tegar.guard.warden import Effect, Heard, Input, Pet, Send, Verb, Warden
from tegar.model.timing import Timing
from tegar.sim.ha.agent import Move, Reply, Request
from tegar.sim.ha.engine import Rate
from tegar.sim.ha.hands import Asked, Copy
from tegar.sim.ha.process import Process

if TYPE_CHECKING:
    from tegar.sim.ha.world import World

Bmc = Literal["none", "works", "lies", "dead"]


class WardenProcess(Process):
    """Carries out the warden's effects one by one."""

    def __init__(self, host: Host, machine: Warden) -> None:
        """Begin with the first step."""
        super().__init__(host, "warden")
        self.machine = machine
        self._inbox: list[Input] = []
        self._effects: deque[Effect] = deque()
        self._wake_s = self._stepped_s = -1.0
        self.ambush: Callable[[Effect], None] | None = None
        self.soon()

    def hear(self, it: Input) -> None:
        """Put it in the socket's buffer."""
        if len(self._inbox) < 200:
            self._inbox.append(it)
        if not self._queued:
            self._queued = True
            self._go()

    def work(self) -> None:
        """Step the machine and carry out the effects, as far as the process is let run."""
        engine = self.host.world.engine
        while True:
            while self._effects:
                if self.ambush is not None:
                    self.ambush(self._effects[0])
                    if self.dead:
                        return
                    if engine.now_s < self.held_until_s:
                        self.soon()
                        return
                self._carry_out(self._effects.popleft())
            if not self._inbox and self._stepped_s == engine.now_s:
                break
            inbox, self._inbox, self._stepped_s = self._inbox, [], engine.now_s
            self._effects.extend(self.machine.step(self.host.clock.now_s(), inbox))
        self._sleep()

    def _sleep(self) -> None:
        engine = self.host.world.engine
        wake_s = max(self.host.clock.true_s(self.machine.wake_s) + 1e-6, engine.now_s + 1e-3)
        if wake_s < self._wake_s or self._wake_s <= engine.now_s:
            self._wake_s = wake_s
            engine.at(wake_s, self.soon)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Pet):
            self.host.dog.pet()
        elif isinstance(effect, Send):
            self.host.world.net.send(self.host.name, effect.witness, effect.message)
        else:
            self.host.hands.take(effect)


class Dog:
    """The watchdog: armed by the first pet, fires W after the last one, whatever the host does."""

    def __init__(self, host: Host, rate: float) -> None:
        """Begin disarmed."""
        self._host, self._rate, self.petted_s, self._watching = host, rate, -1.0, False

    @property
    def expires_s(self) -> float:
        """When it fires, in true time."""
        return self.petted_s + self._host.timing.reset_s / self._rate

    def pet(self) -> None:
        """Start again."""
        if self._host.falling:
            return
        self.petted_s = self._host.world.engine.now_s
        if not self._watching:
            self._watching = True
            self._host.world.engine.at(self.expires_s, self._look)

    def _look(self) -> None:
        self._watching = False
        if self.petted_s < 0:
            return
        if self._host.world.engine.now_s >= self.expires_s - 1e-9:
            self._host.fire()
        else:
            self._watching = True
            self._host.world.engine.at(self.expires_s, self._look)

    def disarm(self) -> None:
        """As power-on leaves it."""
        self.petted_s = -1.0


class Host:
    """Power, clocks, processes."""

    def __init__(self, world: World, name: str, timing: Timing, bmc: Bmc) -> None:
        """Begin with power, booted."""
        rng = world.engine.rng
        self.world, self.name, self.timing, self.bmc = world, name, timing, bmc
        worst = timing.rho
        self.clock = Rate(
            world.engine, 1 + rng.choice((-worst, worst, rng.uniform(-worst, worst))), -rng.uniform(10, 1e5)
        )
        self.dog = Dog(self, 1 + rng.choice((-worst, worst, rng.uniform(-worst, worst))))
        self.drain_s = timing.drain_s * 0.8
        self.latency_s = timing.latency_s
        self.stalled_until_s = self.excused_until_s = 0.0
        self.boots = 0
        self.opened_epoch = 0  # what the agent remembers as long as the boot
        self.vm_epochs: dict[str, int] = {}  # the highest that was let start
        self.vm_ended: dict[str, int] = {}  # the highest that is over here
        self.fences: dict[str, int] = {}
        self.powered, self.falling = False, False
        self.power_on()
        world.net.listen(name, self._hear)

    @property
    def lease_name(self) -> str:
        """What its lease calls it."""
        return self.name

    @property
    def boot(self) -> str:
        """The boot id."""
        return f"{self.name}.{self.boots}"

    def settled(self, now_s: float) -> bool:
        """Whether it is up, its gate open, and nothing holds its processes back."""
        order = self.hands.order
        return (
            self.powered
            and order is not None
            and order.verb is Verb.OPEN
            and self.warden.ambush is None
            and now_s > max(self.warden.held_until_s, self.hands.held_until_s)
        )

    def power_on(self) -> None:
        """Boot."""
        if self.powered:
            return
        self.boots += 1
        self.powered, self.falling = True, False
        self.opened_epoch = 0
        self.vm_epochs, self.vm_ended, self.fences = {}, {}, {}
        self.hands = self.world.parts.hands(self, self.boot, {})
        self.warden = self._new_warden()

    def _new_warden(self) -> WardenProcess:
        machine = self.world.parts.warden(
            self.lease_name, self.boot, tuple(self.world.witnesses), self.timing
        )
        return WardenProcess(self, machine)

    def restart_warden(self) -> None:
        """The process dies and is started again; the timer in the watchdog goes on."""
        if self.powered:
            self.world.engine.say(f"{self.name}: warden restarted")
            self.excused_until_s = max(self.excused_until_s, self.world.engine.now_s + self.timing.reset_s)
            self.warden.dead = True
            self.warden = self._new_warden()

    def restart_hands(self) -> None:
        """The agent dies and is started again; QEMU processes go on.

        New hands do not know since when a guest is paused, and wait for its writes once more: the watchdog may be faster.
        """
        if self.powered:
            self.world.engine.say(f"{self.name}: hands restarted")
            if self.hands.order is not None and self.hands.order.verb is not Verb.OPEN:
                self.excused_until_s = max(
                    self.excused_until_s, self.world.engine.now_s + self.timing.reset_s
                )
            self.hands.dead = True
            self.hands = self.world.parts.hands(self, self.boot, self.hands.copies)

    def power_off(self, why: str) -> None:
        """Everything on it is gone at once."""
        if not self.powered:
            return
        self.world.engine.say(f"{self.name}: {why}")
        self.powered = self.falling = False
        self.warden.dead = self.hands.dead = True
        self.dog.disarm()
        for copy in self.hands.copies.values():
            self.world.stops_writing(copy)
        self.hands.copies.clear()

    def fire(self) -> None:
        """The watchdog expired: reset, which takes a moment, then boot."""
        if not self.powered or self.falling:
            return
        self.world.engine.say(f"{self.name}: watchdog fires")
        if self.world.engine.now_s > self.excused_until_s:
            self.world.engine.violate(f"{self.name} was reset though nothing on it had stopped")
        self.falling = True
        boots = self.boots
        self.world.engine.after(self.latency_s, lambda: self._reset(boots))

    def _reset(self, boots: int) -> None:
        if self.powered and self.boots == boots:
            self.power_off("reset")
            self.world.engine.after(self.world.boot_s, self.power_on)

    def stall(self, seconds: float) -> None:
        """No request to storage comes back for so long."""
        now_s = self.world.engine.now_s
        self.world.engine.say(f"{self.name}: storage stalls for {seconds:.1f} s")
        self.stalled_until_s = max(self.stalled_until_s, now_s + seconds)
        self.excused_until_s = max(self.excused_until_s, self.stalled_until_s + 2 * self.timing.reset_s)

    def hand_over(self, copy: Copy, it: Move, answer: Callable[[Any], None]) -> None:
        """A migration ends: the guest stops here and is there, paused; or it goes on here."""
        there, world = self.world.hosts[it.to], self.world
        copy.moving = False
        if not self.powered or self.boot != copy.boot:
            return
        if self.hands.copies.get(copy.vm) is not copy:
            answer("refused")
            return
        if not copy.writing or not there.powered or (self.name, there.name) in world.net.cut:
            world.engine.say(f"{self.name}: {copy.vm} cannot move to {it.to}")
            answer("refused")
            return
        del self.hands.copies[copy.vm]
        world.stops_writing(copy)
        self.vm_ended[copy.vm] = copy.vm_epoch  # a late order to start it here is void
        world.sql.ended[copy.vm, copy.vm_epoch] = f"moved to {it.to}"
        world.engine.say(f"{there.name}: {copy.vm} has arrived, paused")
        arrived = Copy(copy.vm, it.vm_epoch, there, there.boot, there.opened_epoch, admitted=False)
        arrived.as_of = world.wrote[copy.vm]
        there.hands.arrive(arrived)
        answer("done")

    def _hear(self, sender: str, message: Any) -> None:
        if not self.powered:
            return
        if isinstance(message, Request):
            boot, nonce = self.boot, message.nonce

            def answer(said: Any) -> None:
                if self.powered and self.boot == boot:
                    self.world.net.send(self.name, sender, Reply(nonce, said))

            self.hands.take(Asked(message.question, answer))
        else:
            self.warden.hear(Heard(sender, message))
