"""Let a VM's host have what the rows say of the VM's NICs.  Not a saga of its own but what those of NICs share.

A VM may move, stop or be restarted while its host is asked.  So what a host was told counts only when the VM is where
it was and the rows still say the same; else it is told again, where the VM is then.  A VM that does not run is told
nothing: it starts with what the rows say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from tegar.driver.hypervisor.port import Hypervisor
from tegar.driver.registry import HYPERVISORS
from tegar.kernel.errors import AgentRefused, NotYet, Refused
from tegar.kernel.saga import Run
from tegar.kernel.wire import Link
from tegar.model.network import NicState
from tegar.model.spec import NicSpec
from tegar.model.vm import State as VmState
from tegar.saga import place
from tegar.saga.env import Env
from tegar.saga.place import HostLost
from tegar.saga.spec import nic_specs, nics_of_domain
from tegar.store.networks import Nic
from tegar.store.vms import Vm

P = TypeVar("P")

ON_THE_WAY = (VmState.STARTING, VmState.STOPPING, VmState.MIGRATING)

Tell = Callable[[Hypervisor, str, tuple[NicSpec, ...], Link], None]
Gather = Callable[[Session], Iterable[Nic]]


@dataclass(frozen=True)
class Seen:
    """A VM at a moment, and the NICs that its host is told of."""

    name: str
    uuid: str
    hypervisor: str
    state: VmState
    host_id: int | None
    version: int
    nics: tuple[NicSpec, ...]


def one(nic_id: int) -> Gather:
    """Return what gathers one NIC, nothing when it is gone."""

    def gather(s: Session) -> Iterable[Nic]:
        nic = s.get_one(Nic, nic_id)
        return () if nic.removed_s else (nic,)

    return gather


def every(vm_id: int) -> Gather:
    """Return what gathers all NICs that a domain has."""
    return lambda s: nics_of_domain(s, vm_id)


def plug_in(run: Run[Env, P], vm_id: int, nic_id: int) -> None:
    """Plug a NIC into its domain, if that runs; from now on the domain starts and moves with it.

    Raises:
        Refused: the VM was expunged meanwhile.
    """

    def note(s: Session) -> None:
        nic = s.get_one(Nic, nic_id)
        if nic.removed_s:
            raise Refused("The VM is gone, and its NICs with it")
        if nic.state == NicState.ADDING:
            nic.state = NicState.ACTIVE
        elif nic.state == NicState.UNPLUGGED:
            nic.state = NicState.REMOVING

    reach(
        run, vm_id, one(nic_id), lambda driver, uuid, nics, via: driver.attach_nic(uuid, nics[0], via), note
    )


def take_out(run: Run[Env, P], vm_id: int, nic_id: int) -> None:
    """Take a NIC out of its domain; from now on the domain starts and moves without it."""

    def note(s: Session) -> None:
        s.get_one(Nic, nic_id).state = NicState.UNPLUGGED

    reach(
        run, vm_id, one(nic_id), lambda driver, uuid, nics, via: driver.detach_nic(uuid, nics[0], via), note
    )


def reach(run: Run[Env, P], vm_id: int, gather: Gather, tell: Tell, note: Callable[[Session], None]) -> None:
    """Tell the VM's host if the VM runs; note what is so now.

    Raises:
        NotYet: the VM is on its way, or was meanwhile; it is told when it has arrived.
        AgentRefused: the host would not.
    """
    seen = run.env.db.read(lambda s: _look(s, vm_id, gather))
    if seen.state in ON_THE_WAY:
        raise NotYet(f"The work on VM {seen.name}")
    if seen.state == VmState.RUNNING and seen.nics:
        _tell(run, vm_id, gather, tell, seen)
    if not run.env.db.tx(lambda s: _noted(s, vm_id, gather, note, seen, run.env.clock.now_s())):
        raise NotYet(f"Another change of VM {seen.name}")


def _tell(run: Run[Env, P], vm_id: int, gather: Gather, tell: Tell, seen: Seen) -> None:
    assert seen.host_id is not None, "a running VM has a host"
    driver = HYPERVISORS[seen.hypervisor]
    try:
        place.ask(run, vm_id, seen.host_id, lambda via: tell(driver, seen.uuid, seen.nics, via))
    except HostLost as e:
        raise NotYet(f"The restart of VM {seen.name}") from e
    except AgentRefused as e:
        if run.env.db.read(lambda s: _look(s, vm_id, gather)) != seen:
            raise NotYet(f"Another change of VM {seen.name}") from e
        raise


def _look(s: Session, vm_id: int, gather: Gather) -> Seen:
    vm = s.get_one(Vm, vm_id)
    nics = nic_specs(s, list(gather(s)))
    return Seen(vm.name, vm.uuid, vm.hypervisor, vm.state, vm.host_id, vm.version, nics)


def _noted(
    s: Session, vm_id: int, gather: Gather, note: Callable[[Session], None], seen: Seen, now_s: float
) -> bool:
    """Note what is so, unless something changed; who changes the VM at the same moment comes after us."""
    if _look(s, vm_id, gather) != seen:
        return False
    s.get_one(Vm, vm_id).updated_s = now_s
    note(s)
    s.flush()
    return True
