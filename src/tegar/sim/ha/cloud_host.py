"""Hosts of a simulated cloud: their wardens, and the gates of the simulated world behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.agent.gate import Verb
from tegar.guard.warden import Order, Report
from tegar.sim.ha.hands import Copy
from tegar.sim.ha.host import Host
from tegar.sim.ha.process import Process
from tegar.sim.ha.world import World as GuardWorld
from tegar.sim.hosts import agent
from tegar.sim.things import Machine
from tegar.store.hosts import Host as HostRow

if TYPE_CHECKING:
    from tegar.sim.ha.cloud import Cloud


class CloudHands(Process):
    """Carries the warden's orders to the gate of a host of the simulated world."""

    def __init__(self, host: CloudHost, boot: str, copies: dict[str, Copy]) -> None:
        """Begin closed."""
        super().__init__(host, "hands")
        self.copies, self._orders = copies, [Order(0, Verb.CLOSE, 0)][:0]  # type: ignore[arg-type]
        self._cloud, self._gate = host.cloud, agent(host.cloud.world, host.machine).hands
        self.order: Order | None = None
        self._gate.restart()  # type: ignore[attr-defined]
        self.soon()

    def take(self, it: Any) -> None:
        """Queue an order."""
        self._orders.append(it)
        self.soon(0.0005)

    def work(self) -> None:
        """Carry out the latest order, and report."""
        number, done, epoch = 0, False, self._gate.gate.epoch  # type: ignore[attr-defined]
        if self._orders:
            self.order = self._orders[-1]
            self._orders.clear()
        if self.order is not None:
            verb = Verb(self.order.verb.value)
            said = self._gate.order(self.order.number, verb, self.order.epoch)  # type: ignore[attr-defined]
            number, done, epoch = said.number, said.done, said.epoch
        report = Report(number, done, epoch)
        self.host.world.engine.after(0.0002, self._tell, report)

    def _tell(self, report: Report) -> None:
        self.host.warden.hear(report)


class CloudHost(Host):
    """A host whose guests are those of the simulated world; ``dead`` is told to what its agent does."""

    cloud: Cloud
    machine: Machine

    def __init__(self, world: GuardWorld, name: str, *more: Any) -> None:
        """Begin with power."""
        self.cloud = world.cloud  # type: ignore[attr-defined]
        self.machine = self.cloud.world.machine(name)
        self.agent_process = AgentProcess()
        super().__init__(world, name, *more)

    @property
    def lease_name(self) -> str:
        """The host's row."""
        return self.cloud.uuids[self.name]

    @property
    def boot(self) -> str:
        """As the agent reports it."""
        return self.machine.boot_id

    def power_on(self) -> None:
        """Boot the machine and its agent."""
        if not self.powered:
            self.cloud.world.power_on(self.name)
            self.agent_process = AgentProcess()
        super().power_on()

    def power_off(self, why: str) -> None:
        """Everything on it is gone at once."""
        if self.powered:
            self.agent_process.dead = True
            super().power_off(why)
            self.cloud.world.power_off(self.name)


class AgentProcess:
    """What an agent's work belongs to."""

    def __init__(self) -> None:
        """Begin running."""
        self.dead, self.held_until_s = False, 0.0


class CloudPower:
    """BMCs that work, for some hosts."""

    def __init__(self, cloud: Cloud, hosts: tuple[str, ...]) -> None:
        """Reach these hosts' BMCs."""
        self._cloud, self._hosts = cloud, hosts

    def hosts(self, s: Session) -> frozenset[int]:
        """Return their ids."""
        return frozenset(s.scalars(select(HostRow.id).where(HostRow.name.in_(self._hosts))))

    def off(self, host_id: int) -> str:
        """Cut the power, and read."""
        name = f"h{host_id}"
        self._cloud.log(f"{name}: power off asked for")
        self._cloud.stage.sleep(self._cloud.engine.rng.uniform(0.3, 2))
        self._cloud.guard.hosts[name].power_off("power off")
        self._cloud.engine.after(5, self._cloud.guard.hosts[name].power_on)
        return "read Off"

    def reads_off(self, host_id: int) -> str:
        """Read the power."""
        self._cloud.stage.sleep(0.3)
        return "" if self._cloud.guard.hosts[f"h{host_id}"].powered else "read Off"
