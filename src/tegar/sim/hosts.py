"""The ports of a simulated host, and its door with the faults in it."""

from __future__ import annotations

from dataclasses import replace

from tegar import __version__
from tegar.agent.fences import Fences, Locks
from tegar.agent.handlers.table import answer as handle
from tegar.agent.host import Host
from tegar.kernel.errors import AgentRefused, Unavailable, Unreachable
from tegar.kernel.wire import Fence
from tegar.model.router import Role, RouterSpec
from tegar.model.spec import DiskSpec, DomainSpec, NicSpec
from tegar.sim.disks import SimDisks, SimImages
from tegar.sim.hands import SimGuard, SimHands
from tegar.sim.nets import SimFilters, SimSegments, without_nic
from tegar.sim.things import Guest, Machine, ReportTo
from tegar.sim.world import World
from tegar.wire.host import HostFacts, HostLoad
from tegar.wire.router import RouterCounters, RouterUp, Traffic
from tegar.wire.virt import AllStats, Domain, DomainState, DomainStats, Ended, GuestPulse

ENDED_KEPT_S = 600.0
BUSY = 0.05  # of each CPU that a guest has, all the time


class SimHypervisor:
    """The Hypervisor port."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine

    def _guest(self, uuid: str) -> Guest | None:
        return self._machine.guests.get(uuid)

    def find(self, uuid: str) -> Domain | None:
        """Return the domain; one that arrives is there already, and migrating."""
        with self._world.lock:
            guest = self._guest(uuid) or self._machine.arriving.get(uuid)
            return Domain(uuid, guest.spec.name, guest.state) if guest else None

    def vnc_port(self, uuid: str) -> int:
        """Return the port of the domain's display."""
        guest = self._guest(uuid) or self._machine.arriving.get(uuid)
        return guest.vnc_port if guest else 0

    def all(self) -> tuple[Domain, ...]:
        """Return all domains."""
        with self._world.lock:
            here = {**self._machine.arriving, **self._machine.guests}
            return tuple(Domain(uuid, g.spec.name, g.state) for uuid, g in sorted(here.items()))

    def ended(self) -> tuple[Ended, ...]:
        """Return the domains that ended by themselves lately."""
        since_s = self._world.clock.mono_s() - ENDED_KEPT_S
        with self._world.lock:
            here = self._machine.guests
            return tuple(it for at_s, it in self._machine.ended if at_s >= since_s and it.uuid not in here)

    def create(self, spec: DomainSpec, *, unlocked: bool = False) -> int:
        """Make a domain, paused; a simulated disk has no locks."""
        self._world.clock.sleep(self._world.times.start_s)
        return self._world.boot(self._machine, spec).vnc_port

    def shutdown(self, uuid: str, grace_s: float) -> bool:
        """Ask the guest to power off; a deaf one does not hear."""
        guest = self._guest(uuid)
        if guest is None:
            return True
        takes_s = self._world.times.shutdown_s
        if guest.deaf or takes_s > grace_s:
            self._world.clock.sleep(grace_s)
            return False
        self._world.clock.sleep(takes_s)
        self._world.end(self._machine, uuid)
        return True

    def destroy(self, uuid: str) -> None:
        """End the domain at once."""
        self._world.end(self._machine, uuid)

    def migrate(self, uuid: str, to: str) -> None:
        """Move the domain live."""
        there = self._world.destination(to)
        if there is self._machine:
            raise AgentRefused("The host", "MigrateDomain", "it would migrate onto itself")
        if self._world.depart(self._machine, uuid, there):
            self._world.clock.sleep(self._world.times.migrate_s)
            self._world.hand_over(self._machine, uuid, there)

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        """Plug a disk in."""
        with self._world.lock:
            guest = self._guest(uuid)
            if guest is None:
                raise AgentRefused("The host", "AttachDisk", "the domain does not run here")
            if disk.volume_uuid in guest.disks:
                return
            file = self._world.disk(self._machine, disk, "AttachDisk")
            if guest.runs:
                self._world.open_disk(self._machine, uuid, file)
            guest.disks[disk.volume_uuid] = file
            guest.spec = replace(guest.spec, disks=(*_without(guest, disk), disk))

    def detach(self, uuid: str, disk: DiskSpec) -> None:
        """Unplug a disk."""
        with self._world.lock:
            guest = self._guest(uuid)
            if guest and disk.volume_uuid in guest.disks:
                if guest.deaf:
                    raise Unavailable(f"disk {disk.volume_uuid}", "the guest does not let go of it")
                guest.disks.pop(disk.volume_uuid).writers.discard((self._machine.name, uuid))
                guest.spec = replace(guest.spec, disks=_without(guest, disk))

    def plug_nic(self, uuid: str, nic: NicSpec, *, cable: bool) -> None:
        """Plug a NIC in; one without its cable is there too."""
        with self._world.lock:
            guest = self._guest(uuid)
            if guest is None:
                raise AgentRefused("The host", "AttachNic", "the domain does not run here")
            guest.spec = replace(guest.spec, nics=(*without_nic(guest, nic), nic))

    def unplug_nic(self, uuid: str, nic: NicSpec) -> None:
        """Take a NIC out."""
        with self._world.lock:
            guest = self._guest(uuid)
            if guest and nic.nic_uuid in {it.nic_uuid for it in guest.spec.nics}:
                if guest.deaf:
                    raise Unavailable(f"NIC {nic.nic_uuid}", "the guest does not let go of it")
                guest.spec = replace(guest.spec, nics=without_nic(guest, nic))

    def stats(self) -> AllStats:
        """Return counters that grow with time."""
        now_s = self._world.clock.mono_s()
        with self._world.lock:
            running = [g for g in self._machine.guests.values() if g.state == DomainState.RUNNING]
            return AllStats(now_s, tuple(_stats(g, now_s) for g in running))

    def ping(self) -> tuple[GuestPulse, ...]:
        """Guests that run and are not deaf answer at once; of the others it is known when they last did."""
        now_s = self._world.clock.mono_s()
        with self._world.lock:
            running = [(uuid, guest) for uuid, guest in sorted(self._machine.guests.items()) if guest.runs]
            for _, guest in running:
                guest.answered_s = guest.answered_s if guest.deaf else now_s
            return tuple(
                GuestPulse(uuid, -1.0 if guest.answered_s is None else now_s - guest.answered_s)
                for uuid, guest in running
            )


def _without(guest: Guest, disk: DiskSpec) -> tuple[DiskSpec, ...]:
    return tuple(d for d in guest.spec.disks if d.volume_uuid != disk.volume_uuid)


def _stats(guest: Guest, now_s: float) -> DomainStats:
    lived_s = max(0.0, now_s - guest.since_s)
    moved = int(lived_s * 1000)
    return DomainStats(
        guest.spec.uuid,
        cpu_ns=int(lived_s * guest.spec.cpus * BUSY * 1e9),
        memory_bytes=guest.spec.memory_bytes,
        disk_read_bytes=moved,
        disk_write_bytes=moved,
        disk_read_ops=moved // 100,
        disk_write_ops=moved // 100,
        net_read_bytes=moved,
        net_write_bytes=moved,
    )


class SimRouters:
    """The Routers port."""

    def __init__(self, world: World, machine: Machine, net: SimSegments) -> None:
        self._world, self._machine, self._net = world, machine, net

    def apply(self, spec: RouterSpec) -> int:
        """Run what the spec says, unless something newer runs."""
        for network in (*(n.network for n in spec.subnets), *(u.network for u in spec.uplinks)):
            self._net.ensure(network)
        with self._world.lock:
            runs = self._machine.routers.get(spec.uuid)
            if runs is None or runs.version < spec.version:
                runs = self._machine.routers[spec.uuid] = spec
            return runs.version

    def remove(self, uuid: str) -> None:
        """Take the router away."""
        with self._world.lock:
            self._machine.routers.pop(uuid, None)

    def all(self) -> tuple[RouterUp, ...]:
        """Return what runs."""
        with self._world.lock:
            return tuple(RouterUp(r.uuid, r.version, self._role(r)) for r in self._machine.routers.values())

    def _role(self, spec: RouterSpec) -> Role:
        """Of a pair, the one with the higher priority among those that have power is primary."""
        if spec.pair is None:
            return Role.PRIMARY
        mine = {subnet.network.uuid for subnet in spec.subnets}
        rivals = [
            other.pair.priority
            for machine in self._world.machines.values()
            for other in machine.routers.values()
            if machine.powered and other.pair and mine & {subnet.network.uuid for subnet in other.subnets}
        ]
        return Role.PRIMARY if spec.pair.priority >= max(rivals) else Role.BACKUP

    def counters(self) -> tuple[RouterCounters, ...]:
        """Return counters that nothing moves: simulated guests send no packets."""
        with self._world.lock:
            return tuple(
                RouterCounters(
                    r.uuid,
                    tuple(Traffic(subnet.network.uuid, 0, 0) for subnet in r.subnets),
                    tuple(Traffic(ip, 0, 0) for u in r.uplinks if not u.private for ip in u.addresses),
                )
                for r in self._machine.routers.values()
            )

    def knock(self, uuid: str, ip: str, port: int) -> bool:
        """Guests that run and are not deaf accept at every port."""
        with self._world.lock:
            router = self._machine.routers.get(uuid)
            if router is None:
                raise AgentRefused("The host", "CheckPort", f"router {uuid} is not here")
            served = {subnet.network for subnet in router.subnets}
            return any(
                guest.runs and not guest.deaf and nic.ip == ip and nic.network in served
                for _, guest in self._world.guests()
                for nic in guest.spec.nics
            )


class SimBox:
    """The Box port."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def facts(self) -> HostFacts:
        """Return what the host is."""
        host = self._machine
        return HostFacts(
            uuid=host.uuid,
            name=host.name,
            boot_id=host.boot_id,
            version=__version__,
            hypervisor="Simulator",
            hypervisor_version=__version__,
            accel="sim",
            cpus=host.shape.cpus,
            cpu_mhz=host.shape.cpu_mhz,
            memory_bytes=host.shape.memory_bytes,
            migration_address=host.migration_address,
            can=("vlan", "vxlan", "ovs", "nfs-mount", "live-migration"),
        )

    def load(self) -> HostLoad:
        """Return how busy it is."""
        host = self._machine
        cpus = sum(g.spec.cpus for g in list(host.guests.values()))
        stalled = tuple(sorted(host.pools)) if host.faults.storage_away else ()
        return HostLoad(min(1.0, cpus * BUSY / host.shape.cpus), host.memory_used_bytes(), stalled)

    def report_to(self, host_uuid: str, urls: tuple[str, ...], secret: str) -> None:
        """Remember where to report."""
        self._machine.reports = ReportTo(host_uuid, urls, secret)


def agent(world: World, machine: Machine) -> Host:
    """Return the machine as the handlers see it, made once."""
    with world.lock:
        if machine.agent is None:
            net = SimSegments(machine)
            hands = machine.hands = SimHands(world, machine)
            machine.agent = Host(
                box=SimBox(machine),
                virt=SimHypervisor(world, machine),
                disks=SimDisks(world, machine),
                images=SimImages(world, machine),
                net=net,
                filters=SimFilters(world, machine),
                routers=SimRouters(world, machine, net),
                fences=Fences(),
                locks=Locks(),
                hands=hands,
                guard=SimGuard(machine, hands),
            )
        return machine.agent


def answer(world: World, name: str, question: str, body: str | bytes, fence: Fence | None) -> str:
    """Ask a host, as far as its faults let one.

    Raises:
        Unreachable: no power, no connection, or the answer was lost after the effect.
        TegarError: what the agent answered.
    """
    machine = world.machine(name)
    _reach(machine)
    world.clock.sleep(machine.faults.slow_s)
    _reach(machine)
    world.asked.append((name, question))
    if _spend(world, machine.faults.refuse, question):
        raise AgentRefused("The host", question, "it was told to refuse")
    said = handle(agent(world, machine), question, body, fence)
    _reach(machine)
    if _spend(world, machine.faults.lose, question):
        raise Unreachable(name, "its answer was lost")
    return said


def _reach(machine: Machine) -> None:
    if not machine.powered:
        raise Unreachable(machine.name, "it has no power")
    if not machine.faults.connected:
        raise Unreachable(machine.name, "it is not connected")


def _spend(world: World, budget: dict[str, int], question: str) -> bool:
    """Take one of what is left to go wrong with that question."""
    with world.lock:
        for key in (question, "*"):
            if budget.get(key, 0) > 0:
                budget[key] -= 1
                return True
        return False
