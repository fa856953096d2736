"""Known mistakes, put back in.  None of this is in the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tegar.guard.datagram import Teach
from tegar.guard.warden import Effect, Order, Verb, Warden
from tegar.guard.witness import Witness
from tegar.ha.decide import LeaseId
from tegar.model.timing import Timing
from tegar.sim.ha.agent import Fence, Permit, Resume, Start
from tegar.sim.ha.chaos import TIMINGS
from tegar.sim.ha.hands import Asked, Hands
from tegar.sim.ha.host import Host
from tegar.sim.ha.manager import Manager
from tegar.sim.ha.world import Parts


@dataclass(frozen=True)
class Mutant:
    """Parts and timers with one mistake."""

    parts: Parts = field(default_factory=Parts)
    timings: tuple[Timing, ...] = TIMINGS


class Unchecked(Timing):
    def check(self) -> Timing:
        return self


class OneWatchdog(Unchecked):
    @property
    def dead_s(self) -> float:
        return self.reset_s * (1 + 4 * self.rho) + self.pad_s


class LeasePlusWatchdog(Unchecked):
    @property
    def dead_s(self) -> float:
        return self.soft_s + self.reset_s * (1 + 4 * self.rho) + self.pad_s


class NoLatency(Unchecked):
    @property
    def dead_s(self) -> float:
        return 2 * self.reset_s * (1 + 4 * self.rho)


def timers(kind: Callable[..., Timing]) -> tuple[Timing, ...]:
    names = ("watchdog_s", "stages", "soft_s", "drain_s")
    return tuple(kind(**{name: getattr(t, name) for name in names}) for t in TIMINGS)


class ChecksThenPets(Warden):
    """Pets each round while the lease looks young, however many pets the last acks had."""

    def _rule_open(self, now_s: float, acked_s: float | None, effects: list[Effect]) -> None:
        super()._rule_open(now_s, acked_s, effects)
        if self.order.verb is Verb.OPEN and self.done and acked_s is None and now_s >= self._round_s:
            self._pet(effects)


class NeverFences(Warden):
    """Pets whatever happens, and pauses nobody."""

    def _rule_open(self, now_s: float, acked_s: float | None, effects: list[Effect]) -> None:
        self.leased_s = now_s
        self._pet(effects)


class PetsThenResumes(Warden):
    """Takes the round's pet before guests resumed; what has not reported to run still counts as quiet."""

    def _rule_open(self, now_s: float, acked_s: float | None, effects: list[Effect]) -> None:
        resumed, self.done = self.done, True
        super()._rule_open(now_s, acked_s, effects)
        self.done = not resumed if self.order.verb is Verb.CLOSE else resumed


class AutoStarts(Hands):
    """What libvirt's autostart does: guests that were here run as soon as the host does."""

    def take(self, it: Order | Asked) -> None:
        if self.order is None and isinstance(it, Order):
            for vm, places in self.host.world.sql.places.items():
                if places and places[-1].lease[0] == self.host.name and vm not in self.copies:
                    permit = Permit(self.boot, 0, places[-1].vm_epoch)
                    self._start(Start(vm, permit, Fence("", 0)), lambda _: None)
        super().take(it)


MUTANTS = {
    "declare after one W": Mutant(timings=timers(OneWatchdog)),
    "check-then-pet with D = lease + W": Mutant(Parts(warden=ChecksThenPets), timers(LeasePlusWatchdog)),
    "no self-fence": Mutant(Parts(warden=NeverFences)),
    "ignore reset latency": Mutant(timings=timers(NoLatency)),
    "VM before the first lease": Mutant(Parts(hands=AutoStarts)),
    "resume after the pet": Mutant(Parts(warden=PetsThenResumes)),
}


# ── mistakes the page itself leaves room for; see docs/ha.md ──────────────────────────────────────


class ForgetsPromises(Witness):
    """Waits for D after a restart, as the page says, and learns nothing."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        for host in self._hosts.values():
            host.taught = True

    def _learn(self, now_s: float, it: Teach) -> None:
        pass


class ArmsAtOnce(Warden):
    """A restarted warden opens the device, which pets it, whatever runs on the host."""

    def _rule(self, now_s: float, effects: list[Effect]) -> None:
        if self.armed:
            super()._rule(now_s, effects)
        else:
            self.armed, self._round_s = True, now_s
            self._pet(effects)


class AnyBoot(Hands):
    """Looks at the epoch of the order and not at the boot."""

    def refusal(self, vm: str, permit: Permit) -> str:
        return super().refusal(vm, replace(permit, boot=self.boot))


class StartsDoNotCount(Hands):
    """A start that was let through and not yet made does not make the host less quiet."""

    def work(self) -> None:
        if self._todo and isinstance(self._todo[0], Order):
            act, self._act = self._act, None
            super().work()
            self._act = act
            self.soon(0.0005)
        else:
            super().work()

    def is_done(self) -> bool:
        act, self._act = self._act, None
        done = super().is_done()
        self._act = act
        return done


class NeverBlank(Witness):
    """Has forgotten epochs of VMs, and grants any with the same weight as before."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self._whole = True


# ── a proof the page has and the product has not; see docs/ha.md ──────────────────────────────────


class FencedAtStorage(Host):
    """Can be fenced at its storage, perfectly: nothing of a fenced boot writes any more."""

    fenced_boot = ""

    def fence(self, boot: str) -> None:
        if self.boot != boot:
            return
        self.world.engine.say(f"{self.name}: fenced at its storage")
        self.fenced_boot = boot
        for copy in self.hands.copies.values():
            if self.world.writers.get(copy.vm) is copy:
                del self.world.writers[copy.vm]


class RunsTwice(Hands):
    """Looks, at every start, whether the VM still runs somewhere, be it where it cannot write."""

    def _start(self, it: Start | Resume, answer: Callable[[Any], None]) -> None:
        for other in self.host.world.hosts.values():
            copy = other.hands.copies.get(it.vm)
            if copy is not None and copy.writing and other is not self.host:
                self.host.world.engine.violate(
                    f"runs twice: {it.vm}, on {other.name} and on {self.host.name}"
                )
        super()._start(it, answer)

    def _resume(self, order: Order) -> None:
        if getattr(self.host, "fenced_boot", "") != self.boot:
            super()._resume(order)


class ProvesByStorage(Manager):
    """Takes the fence for a proof: asks for it when power would be cut, and believes the acknowledgement."""

    def _force_off(self, lease: LeaseId) -> None:
        host = self.world.hosts[lease.host]
        assert isinstance(host, FencedAtStorage)
        self.world.power_asked(host)
        self.world.engine.after(0.5, host.fence, lease.boot)
        self.server.later(1.0, self._acknowledged, lease)

    def _acknowledged(self, lease: LeaseId) -> None:
        if not self.over:
            self._carry_out(self.decide.power(lease, "no: fenced at its storage"))


STORAGE_FENCE = Parts(host=FencedAtStorage, hands=RunsTwice, manager=ProvesByStorage)
