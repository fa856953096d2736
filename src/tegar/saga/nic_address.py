"""Secondary addresses of NICs: the host lets the guest use one, or stops it; done when the packets obey."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.errors import Refused
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.rule import RuleState
from tegar.saga import nic_filters
from tegar.saga.env import Env
from tegar.saga.nic_reach import every, reach
from tegar.store import networks, security_groups
from tegar.store.nic_addresses import NicAddress


@dataclass(frozen=True)
class ChangeAddress:
    """Which secondary address, of a NIC of which VM."""

    address_id: int
    vm_id: int


Changing = Run[Env, ChangeAddress]


def accepted(run: Changing) -> None:
    """Begin: the request took the address, or marked it as one that goes."""


def give_back(run: Changing) -> None:
    """The address is free again."""
    run.env.db.tx(lambda s: _gone(s, run.params.address_id, run.env.clock.now_s()))


def _gone(s: Session, address_id: int, now_s: float) -> None:
    row = s.get_one(NicAddress, address_id)
    if not row.removed_s:
        row.removed_s, row.state = now_s, RuleState.REVOKE
        networks.free_address(s, row.nic_id, row.ip)


def allow(run: Changing) -> None:
    """Let the NIC use it.

    Raises:
        Refused: the NIC is gone.
    """
    _filter(run, RuleState.ACTIVE)


def forbid(run: Changing) -> None:
    """Let the NIC use it no more."""
    run.env.db.tx(lambda s: _mark(s, run.params.address_id, RuleState.REVOKE))
    _filter(run, RuleState.REVOKE)


def allow_again(run: Changing) -> None:
    """Let the NIC use it as before, unless it is gone."""
    run.env.db.tx(lambda s: _mark(s, run.params.address_id, RuleState.ACTIVE))
    if not run.env.db.read(lambda s: s.get_one(NicAddress, run.params.address_id).removed_s):
        _filter(run, RuleState.ACTIVE)


def stays(run: Changing) -> None:
    """The address is the NIC's as before."""
    run.env.db.tx(lambda s: _mark(s, run.params.address_id, RuleState.ACTIVE))


def _mark(s: Session, address_id: int, state: RuleState) -> None:
    row = s.get_one(NicAddress, address_id)
    if not row.removed_s:
        row.state = state


def _filter(run: Changing, state: RuleState) -> None:
    """Let the host filter the VM's NICs as the rows say, after which the address is so."""

    def note(s: Session) -> None:
        row = s.get_one(NicAddress, run.params.address_id)
        if row.removed_s and state != RuleState.REVOKE:
            raise Refused("The NIC is gone, and its addresses with it")
        row.state = state

    vm_id = run.params.vm_id
    run.env.db.tx(lambda s: security_groups.count(s, vm_id))
    reach(run, vm_id, every(vm_id), lambda driver, uuid, nics, via: driver.filter_nics(uuid, nics, via), note)
    nic_filters.addresses_changed(run, vm_id)


def say_removed(run: Changing) -> None:
    """The address is free again."""
    run.env.db.tx(lambda s: _gone(s, run.params.address_id, run.env.clock.now_s()))


ADD_ADDRESS = Saga[Env, ChangeAddress](
    "nic.address.add",
    ChangeAddress,
    Step(accepted, undo=give_back, nothing=True),
    Step(allow, undo=forbid),
)

REMOVE_ADDRESS = Saga[Env, ChangeAddress](
    "nic.address.remove",
    ChangeAddress,
    Step(accepted, undo=stays, nothing=True),
    Step(forbid, undo=allow_again),
    Step(say_removed),
)
