"""Segments and filters of a simulated host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tegar.agent.segment.plan import Segment
from tegar.kernel.errors import AgentRefused
from tegar.model.spec import NetworkSpec, NicSpec
from tegar.sim.things import Guest, Machine
from tegar.sim.world import World


class SimSegments:
    """The Segments port: one wire for all hosts, cut by VLANs."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def ensure(self, network: NetworkSpec) -> Segment:
        """Build the segment."""
        if network.bridge in self._machine.faults.missing_bridges:
            raise AgentRefused("The host", "ensure", f"there is no bridge {network.bridge}")
        if network.vni is not None:
            return Segment(f"{network.bridge}.vx{network.vni}")
        return Segment(network.bridge, network.vlan or 0)

    def plug(self, segment: Segment, device: str) -> None:
        """Simulated routers have no interfaces."""

    def unplug(self, device: str) -> None:
        """Nothing is plugged in."""

    def tidy(self) -> None:
        """Nothing is built."""


class SimFilters:
    """The Filters port: ``machine.filters`` is what is in force, ``machine.expected`` the NICs of who arrives."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine

    def nics(self, vm_uuid: str) -> tuple[NicSpec, ...]:
        """Return the NICs of a VM as they are known here."""
        return self._machine.filters.get(vm_uuid, self._machine.expected.get(vm_uuid, ()))

    def prepare(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Know a VM that will arrive."""
        with self._world.lock:
            self._machine.expected[vm_uuid] = nics

    def enforce(self, vm_uuid: str) -> None:
        """Filter the NICs of a VM that has arrived."""
        with self._world.lock:
            expected = self._machine.expected.pop(vm_uuid, None)
            if expected is not None:
                self._machine.filters[vm_uuid] = expected

    def set(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Filter the NICs of a VM so from now on."""
        self.set_all(((vm_uuid, nics),))

    def set_all(self, vms: Iterable[tuple[str, tuple[NicSpec, ...]]]) -> None:
        """Filter the NICs of many VMs, unless a newer filter is in force."""
        with self._world.lock:
            for uuid, nics in vms:
                known = {nic.nic_uuid: nic for nic in self._machine.filters.get(uuid, ())}
                self._machine.filters[uuid] = tuple(_newer(nic, known.get(nic.nic_uuid)) for nic in nics)
                guest = self._machine.guests.get(uuid)
                if guest:
                    guest.spec = replace(guest.spec, nics=self._machine.filters[uuid])

    def forget(self, vm_uuid: str) -> None:
        """Filter nothing of a VM any more."""
        with self._world.lock:
            self._machine.filters.pop(vm_uuid, None)
            self._machine.expected.pop(vm_uuid, None)


def without_nic(guest: Guest, nic: NicSpec) -> tuple[NicSpec, ...]:
    """Return a guest's other NICs."""
    return tuple(it for it in guest.spec.nics if it.nic_uuid != nic.nic_uuid)


def _newer(nic: NicSpec, known: NicSpec | None) -> NicSpec:
    if known and known.filter and nic.filter and known.filter.version > nic.filter.version:
        return replace(nic, filter=known.filter)
    return nic
