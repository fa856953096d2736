"""The simulated world: machines, storage and wires, and the laws that hold between them.

What a real cloud must never do is possible here and recorded in ``violations``: a disk open for
writing on two hosts, a guest that runs twice, a base deleted under its overlays, two NICs with
one MAC address on one segment.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator

from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import AgentRefused, Unavailable, Unreachable
from tegar.model.spec import DiskSpec, DomainSpec, PoolKind, PoolSpec, StoreSpec
from tegar.sim.things import Disk, Faults, Guest, Machine, ReportTo, Shape, Storage, Times, Where
from tegar.wire.virt import DomainState, Ended

OnStopped = Callable[[ReportTo, str, str], None]


class World:
    """All simulated machines and what they share.

    Args:
        hosts: ``h1`` to ``h<hosts>`` exist; None: every name does, as soon as it is asked.
        shape: how large they are.
        clock: time.
    """

    def __init__(
        self, hosts: int | None = None, *, shape: Shape | None = None, clock: Clock | None = None
    ) -> None:
        self.shape, self.clock, self._hosts = shape or Shape(), clock or WallClock(), hosts
        self.lock = threading.RLock()
        self.times = Times()
        self.machines: dict[str, Machine] = {}
        self.pools: dict[Where, Storage] = {}
        self.stores: dict[str, Storage] = {}
        self.violations: list[str] = []
        self.asked: deque[tuple[str, str]] = deque(maxlen=10_000)
        self.on_stopped: OnStopped | None = None

    # ── machines ──

    def machine(self, name: str) -> Machine:
        """Return a host; it springs into being when its name is one of the world's.

        Raises:
            Unreachable: there is no host of that name.
        """
        with self.lock:
            if name not in self.machines:
                number = int(name[1:]) if re.fullmatch(r"h[1-9]\d{0,6}", name) else None
                if self._hosts is not None and (number is None or number > self._hosts):
                    raise Unreachable(name, "no such host in the simulated world")
                self.machines[name] = Machine(name, self.shape)
            return self.machines[name]

    def faults(self, name: str) -> Faults:
        """Return the faults of a host, to be changed."""
        return self.machine(name).faults

    def power_off(self, name: str) -> None:
        """Cut a host's power: what it ran is gone, what it had written stays."""
        with self.lock:
            host = self.machine(name)
            host.powered, host.boots_at_s = False, None
            for uuid in list(host.guests):
                self.end(host, uuid)
            host.arriving.clear()
            host.routers.clear()
            host.opened.clear()
            host.filters.clear()
            host.expected.clear()
            host.pools.clear()

    def power_on(self, name: str) -> None:
        """Boot a host that is off; it is empty and has a new boot id."""
        with self.lock:
            host = self.machine(name)
            if not host.powered:
                host.powered, host.boot, host.boots_at_s = True, host.boot + 1, None

    def reset(self, host: Machine) -> None:
        """Let a watchdog fire: the power goes, and comes back by itself unless somebody keeps it off."""
        with self.lock:
            self.power_off(host.name)
            host.boots_at_s = self.clock.mono_s() + self.times.boot_s

    def boot_again(self, host: Machine) -> None:
        """End a reset, unless somebody has switched the host off meanwhile."""
        with self.lock:
            if host.boots_at_s is not None:
                self.power_on(host.name)

    def forget_routers(self, name: str) -> None:
        """Lose a host's routers, as when its namespaces were deleted by hand."""
        with self.lock:
            self.machine(name).routers.clear()

    # ── storage ──

    def pool(self, host: Machine, spec: PoolSpec) -> Storage:
        """Return the storage a pool's place means for a host: one for all, or the host's own."""
        with self.lock:
            if host.faults.storage_away:
                raise Unavailable(f"pool {spec.uuid}", "the storage does not answer")
            if spec.path.startswith("/missing"):
                raise Unavailable(f"pool {spec.uuid}", f"{spec.path}: no such export")
            place = f"host:{host.name}" if spec.kind == PoolKind.LOCAL else spec.server
            key = (place, spec.path)
            if key not in self.pools:
                self.pools[key] = Storage(":".join(key), self.shape.pool_bytes)
            return self.pools[key]

    def open_pool(self, host: Machine, spec: PoolSpec) -> Storage:
        """Reach a pool from a host; domains can use its disks from now on."""
        with self.lock:
            storage = self.pool(host, spec)
            host.opened.add((spec.server, spec.path))
            host.pools.add(spec.uuid)
            return storage

    def store(self, spec: StoreSpec) -> Storage:
        """Return an image store; all hosts reach it."""
        with self.lock:
            if "/missing" in spec.url:
                raise Unavailable(f"store {spec.uuid}", "no such export")
            if spec.url not in self.stores:
                self.stores[spec.url] = Storage(spec.url, self.shape.pool_bytes)
            return self.stores[spec.url]

    def disk(self, host: Machine, spec: DiskSpec, ask: str) -> Disk:
        """Return the file a domain on that host would open.

        Raises:
            AgentRefused: the file is not there, or the host has not opened its pool.
        """
        storage = self.pool(host, spec.pool)
        if (spec.pool.server, spec.pool.path) not in host.opened:
            raise AgentRefused("The host", ask, f"pool {spec.pool.uuid} is not open here")
        if spec.volume_uuid not in storage.disks:
            raise AgentRefused("The host", ask, f"{spec.volume_uuid}.qcow2: No such file or directory")
        return storage.disks[spec.volume_uuid]

    def open_disk(self, host: Machine, uuid: str, disk: Disk) -> None:
        """Let a domain write to a disk; two that do are a violation."""
        for other_host, other in sorted(disk.writers - {(host.name, uuid)}):
            self.violate(
                f"disk {disk.uuid} is open for writing on {other_host} by {other} and on {host.name} by {uuid}"
            )
        disk.writers.add((host.name, uuid))

    def violate(self, what: str) -> None:
        """Record what must never happen."""
        self.violations.append(what)

    # ── guests ──

    def where(self, uuid: str) -> list[str]:
        """Return the hosts a domain runs on: one, or none, and never more."""
        with self.lock:
            return [name for name, host in sorted(self.machines.items()) if uuid in host.guests]

    def guests(self) -> Iterator[tuple[Machine, Guest]]:
        """Give all that runs."""
        for host in self.machines.values():
            for guest in host.guests.values():
                yield host, guest

    def boot(self, host: Machine, spec: DomainSpec) -> Guest:
        """Make a domain; it is paused, and has written nothing.

        Raises:
            AgentRefused: no memory, or a disk is not there.
        """
        with self.lock:
            self._admit(host, spec, "StartDomain")
            disks = {
                d.volume_uuid: self.disk(host, d, "StartDomain")
                for d in sorted(spec.disks, key=lambda d: d.device_id)
            }
            guest = Guest(spec, host.free_vnc_port(), self.clock.mono_s(), disks)
            host.guests[spec.uuid] = guest
            return guest

    def run(self, host: Machine, guest: Guest) -> None:
        """Let a guest run that is made or paused; the first time it boots."""
        with self.lock:
            if guest.runs:
                return
            uuid = guest.spec.uuid
            for elsewhere, other in self.guests():
                if other.spec.uuid == uuid and other.runs:
                    self.violate(f"domain {uuid} runs on {elsewhere.name} and on {host.name}")
            self._check_wires(guest.spec)
            for disk in guest.disks.values():
                self.open_disk(host, uuid, disk)
            for disk in list(guest.disks.values())[:1]:
                if not guest.boots:
                    disk.boots += 1
                    guest.boots = disk.boots
            guest.runs = True
            guest.state = _shown(guest)

    def pause(self, host: Machine, guest: Guest) -> None:
        """Pause and drain: it writes nothing any more."""
        with self.lock:
            guest.runs = False
            guest.state = _shown(guest)
            for disk in guest.disks.values():
                disk.writers.discard((host.name, guest.spec.uuid))

    def _admit(self, host: Machine, spec: DomainSpec, ask: str) -> None:
        if not host.powered:
            raise Unreachable(host.name, "it has no power")
        free_bytes = host.shape.memory_bytes - host.memory_used_bytes()
        if spec.memory_bytes > free_bytes:
            raise AgentRefused(
                "The host", ask, f"cannot set up guest memory: {spec.memory_bytes} bytes of {free_bytes} free"
            )

    def _check_wires(self, spec: DomainSpec) -> None:
        wanted = {((n.network.bridge, n.network.vlan, n.network.vni), n.mac) for n in spec.nics}
        for _, guest in self.guests():
            for nic in guest.spec.nics if guest.spec.uuid != spec.uuid and guest.runs else ():
                if ((nic.network.bridge, nic.network.vlan, nic.network.vni), nic.mac) in wanted:
                    self.violate(f"MAC {nic.mac} is on one segment twice: {guest.spec.uuid} and {spec.uuid}")

    def end(self, host: Machine, uuid: str) -> None:
        """End a domain at once; its disks are closed.  One that is not there is gone already."""
        with self.lock:
            guest = host.guests.pop(uuid, None)
            for disk in guest.disks.values() if guest else ():
                disk.writers.discard((host.name, uuid))
            for other in self.machines.values():  # what was on its way from here does not arrive
                if other is not host:
                    other.arriving.pop(uuid, None)

    def die(self, uuid: str, reason: str = "crashed") -> None:
        """Let a guest end by itself; its host reports it."""
        with self.lock:
            hosts = [self.machines[name] for name in self.where(uuid)]
            for host in hosts:
                self.end(host, uuid)
                host.ended.append((self.clock.mono_s(), Ended(uuid, reason)))
        for host in hosts:
            if host.reports and self.on_stopped and host.faults.connected:
                self.on_stopped(host.reports, uuid, reason)

    def destination(self, address: str) -> Machine:
        """Return the host of a migration address.

        Raises:
            AgentRefused: nobody listens there.
        """
        with self.lock:
            for host in self.machines.values():
                if address in (host.migration_address, host.name):
                    if host.powered and host.faults.connected:
                        return host
                    break
        raise AgentRefused("The host", "MigrateDomain", f"cannot connect to {address}: No route to host")

    def depart(self, source: Machine, uuid: str, there: Machine) -> Guest | None:
        """Begin a migration: the destination takes the memory, nothing runs there.  None: it is not here.

        Raises:
            AgentRefused: the destination has no room, or does not reach the disks.
        """
        with self.lock:
            guest = source.guests.get(uuid)
            if guest is None or uuid in there.arriving:
                return None
            if there.hands is not None and not there.hands.is_open:
                raise AgentRefused("The host", "MigrateDomain", f"{there.name} has no lease and lets none in")
            self._admit(there, guest.spec, "MigrateDomain")
            plugged = {d.volume_uuid: d for d in guest.spec.disks}
            for volume_uuid in guest.disks:
                if volume_uuid in plugged:
                    self.disk(there, plugged[volume_uuid], "MigrateDomain")
            guest.state = DomainState.MIGRATING
            there.arriving[uuid] = Guest(
                guest.spec, there.free_vnc_port(), self.clock.mono_s(), state=DomainState.MIGRATING
            )
            return guest

    def hand_over(self, source: Machine, uuid: str, there: Machine) -> None:
        """End a migration: the guest stops here, its disks are closed, and it is there, paused.

        Raises:
            AgentRefused: one of the two died meanwhile; the guest runs on where it was, if that lives.
        """
        with self.lock:
            arriving, guest = there.arriving.pop(uuid, None), source.guests.get(uuid)
            if guest is None or arriving is None or not there.faults.connected:
                if guest:
                    guest.state = DomainState.PAUSED
                    guest.state = _shown(guest)
                raise AgentRefused("The host", "MigrateDomain", "the migration was cut short")
            self.end(source, uuid)
            arriving.disks, arriving.boots, arriving.deaf = guest.disks, guest.boots, guest.deaf
            arriving.state, arriving.since_s = DomainState.PAUSED, guest.since_s
            there.guests[uuid] = arriving


def _shown(guest: Guest) -> DomainState:
    """Return what the hypervisor says of a guest; one that moves goes on moving."""
    if guest.state is DomainState.MIGRATING:
        return DomainState.MIGRATING
    return DomainState.RUNNING if guest.runs else DomainState.PAUSED
