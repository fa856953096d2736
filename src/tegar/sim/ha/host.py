"""A simulated host: a warden and hands that may be suspended at any point, a watchdog, guests, a BMC."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tegar.guard.datagram import AnyMessage
from tegar.guard.timing import Timing
from tegar.guard.warden import Effect, Heard, Input, Order, Pet, Report, Send, Verb, Warden
from tegar.sim.ha.engine import Rate

if TYPE_CHECKING:
    from tegar.sim.ha.world import World

Bmc = Literal["none", "works", "lies", "dead"]


@dataclass(eq=False)
class Copy:
    """A QEMU process."""

    vm: str
    vm_epoch: int
    host: Host
    boot: str
    epoch: int
    writing: bool = False


@dataclass(frozen=True)
class Start:
    """The manager's order to start a VM under a lease; safe to repeat."""

    vm: str
    vm_epoch: int
    boot: str
    epoch: int
    answer: Callable[[], None]


class Process:
    """Something the kernel may not run for a while, at any point."""

    def __init__(self, host: Host, name: str) -> None:
        """Begin running."""
        self.host, self.name, self.held_until_s, self.dead = host, name, 0.0, False
        self._queued = False

    def suspend(self, seconds: float) -> None:
        """Stop it as SIGSTOP would."""
        world = self.host.world
        self.held_until_s = max(self.held_until_s, world.engine.now_s + seconds)
        self.host.excused_until_s = max(
            self.host.excused_until_s, self.held_until_s + 2 * self.host.timing.reset_s
        )
        world.engine.say(f"{self.host.name}: {self.name} suspended for {seconds:.2f} s")

    def soon(self, delay_s: float = 0.0) -> None:
        """Run one piece of work after the delay, or when it is allowed to run again."""
        if not self._queued:
            self._queued = True
            self.host.world.engine.after(delay_s, self._go)

    def _go(self) -> None:
        if self.dead:
            return
        engine = self.host.world.engine
        if engine.now_s < self.held_until_s:
            engine.at(self.held_until_s, self._go)
            return
        self._queued = False
        self.work()

    def work(self) -> None:
        """Do one piece of work."""
        raise NotImplementedError


class WardenProcess(Process):
    """Carries out the warden's effects one by one."""

    def __init__(self, host: Host, machine: Warden) -> None:
        """Begin with the first step."""
        super().__init__(host, "warden")
        self.machine = machine
        self._inbox: list[Input] = []
        self._effects: deque[Effect] = deque()
        self._wake_s = -1.0
        self.ambush: Callable[[Effect], None] | None = None
        self.soon()

    def hear(self, it: Input) -> None:
        """Put it in the socket's buffer."""
        if len(self._inbox) < 200:
            self._inbox.append(it)
        self.soon()

    def work(self) -> None:
        """Carry out one effect, or step the machine when none is left."""
        if self._effects:
            if self.ambush is not None:
                self.ambush(self._effects[0])
                if self.host.world.engine.now_s < self.held_until_s:
                    self.soon()
                    return
            self._carry_out(self._effects.popleft())
        else:
            inbox, self._inbox = self._inbox, []
            self._effects.extend(self.machine.step(self.host.clock.now_s(), inbox))
        if self._effects or self._inbox:
            self.soon(0.00005)
        else:
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


class Hands(Process):
    """What speaks to QEMU: strictly one thing after the other."""

    def __init__(self, host: Host, boot: str, copies: dict[str, Copy]) -> None:
        """Begin with a closed gate, and say so; guests may have been left by hands before."""
        super().__init__(host, "hands")
        self.boot = boot
        self.order: Order | None = None
        self.copies = copies
        self.open_epoch = max((copy.epoch for copy in copies.values()), default=0)
        self.soon()
        self._todo: deque[Order | Start] = deque()
        self._drained_s: dict[str, float] = {}
        self._act: Callable[[], None] | None = None

    def take(self, it: Order | Start) -> None:
        """Queue it."""
        self._todo.append(it)
        self.soon(0.0005)

    def work(self) -> None:
        """Finish what was checked before, then the next in the queue, then report."""
        if self._act is not None:
            act, self._act = self._act, None
            act()
        elif self._todo:
            it = self._todo.popleft()
            if isinstance(it, Start):
                self.check_start(it)
            else:
                self._obey(it)
        self._settle()
        if self._todo or self._act is not None:
            self.soon(0.0005)
        self._report()

    def gate_is_open(self, it: Start) -> bool:
        """Whether the start may come: same boot, same lease, and the lease is held."""
        order = self.order
        return (
            order is not None
            and order.verb is Verb.OPEN
            and (it.boot, it.epoch) == (self.boot, self.open_epoch)
        )

    def check_start(self, it: Start) -> None:
        """First look, then act: between the two the process may be suspended, but does nothing else."""
        if it.vm in self.copies:
            if self.copies[it.vm].vm_epoch == it.vm_epoch:
                it.answer()
        elif self.gate_is_open(it):
            self._act = lambda: self._start(it)

    def _start(self, it: Start) -> None:
        copy = Copy(it.vm, it.vm_epoch, self.host, self.boot, self.open_epoch)
        self.copies[it.vm] = copy
        self.host.world.engine.say(f"{self.host.name}: {it.vm} starts, epoch {it.vm_epoch}")
        self.host.world.writes(copy)
        it.answer()

    def _obey(self, order: Order) -> None:
        if self.order is not None and order.number < self.order.number:
            return
        if self.order is None or order.number > self.order.number:
            self.order = order
            if order.verb is Verb.OPEN:
                self._resume(order)
            else:
                self._pause(order)

    def _resume(self, order: Order) -> None:
        self.open_epoch = order.epoch
        self._drained_s.clear()
        for copy in self.copies.values():
            if not copy.writing:
                self.host.world.engine.say(f"{self.host.name}: {copy.vm} resumes")
                self.host.world.writes(copy)

    def _pause(self, order: Order) -> None:
        world = self.host.world
        for vm, copy in self.copies.items():
            if copy.writing and vm not in self._drained_s:
                drain_s = world.engine.rng.uniform(0.001, self.host.drain_s)
                self._drained_s[vm] = max(world.engine.now_s, self.host.stalled_until_s) + drain_s
                world.engine.at(self._drained_s[vm], self.soon)

    def _settle(self) -> None:
        """Guests whose last request came back are paused now, or gone."""
        if self.order is None or self.order.verb is Verb.OPEN:
            return
        world = self.host.world
        for vm, copy in list(self.copies.items()):
            if copy.writing:
                due_s = self._drained_s.get(vm, 0.0)
                if world.engine.now_s < due_s < self.host.stalled_until_s:
                    self._drained_s[vm] = self.host.stalled_until_s + 0.001
                    world.engine.at(self._drained_s[vm], self.soon)
                elif due_s <= world.engine.now_s:
                    del self._drained_s[vm]
                    world.stops_writing(copy)
                    world.engine.say(f"{self.host.name}: {vm} paused")
            if not copy.writing and self.order.verb is Verb.CLEAR:
                del self.copies[vm]
                world.engine.say(f"{self.host.name}: {vm} destroyed, its epoch is over")

    def is_done(self) -> bool:
        """Whether the latest order is carried out."""
        if self.order is None:
            return False
        if self.order.verb is Verb.OPEN:
            return True
        return self._act is None and not any(copy.writing for copy in self.copies.values())

    def _report(self) -> None:
        number = self.order.number if self.order is not None else 0
        report = Report(number, self.is_done(), self.open_epoch)
        self.host.world.engine.after(0.0002, lambda: self.host.warden.hear(report))


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
        self.powered, self.falling = False, False
        self.power_on()
        world.net.listen(name, self._hear)

    @property
    def boot(self) -> str:
        """The boot id."""
        return f"{self.name}.{self.boots}"

    def power_on(self) -> None:
        """Boot."""
        if self.powered:
            return
        self.boots += 1
        self.powered, self.falling = True, False
        self.hands = self.world.parts.hands(self, self.boot, {})
        self.warden = self._new_warden()

    def _new_warden(self) -> WardenProcess:
        machine = self.world.parts.warden(self.name, self.boot, tuple(self.world.witnesses), self.timing)
        return WardenProcess(self, machine)

    def restart_warden(self) -> None:
        """The process dies and is started again; the timer in the watchdog goes on."""
        if self.powered:
            self.world.engine.say(f"{self.name}: warden restarted")
            self.excused_until_s = max(self.excused_until_s, self.world.engine.now_s + self.timing.reset_s)
            self.warden.dead = True
            self.warden = self._new_warden()

    def restart_hands(self) -> None:
        """The agent dies and is started again; QEMU processes go on."""
        if self.powered:
            self.world.engine.say(f"{self.name}: hands restarted")
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

    def _hear(self, sender: str, message: AnyMessage) -> None:
        if self.powered:
            self.warden.hear(Heard(sender, message))
