"""Change the password of a BMC, and never lose it.

The new one is kept, sealed, before the BMC hears of it, so whatever is lost on the way, the BMC has
one of two that we know; until the change is over everybody tries both.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.errors import Refused
from tegar.kernel.saga import Run, Saga, SagaRow, Step
from tegar.model.errors import WrongPassword
from tegar.model.power import BmcSpec
from tegar.saga.bmc import Reach, reach
from tegar.saga.env import Env
from tegar.store import bmcs, events
from tegar.store.bmcs import Bmc
from tegar.store.hosts import Host

CHANGE_S, READ_S = 30.0, 10.0


@dataclass(frozen=True)
class ChangePassword:
    """Which host, and the new password, sealed."""

    host_id: int
    sealed: str


Change = Run[Env, ChangePassword]


def _bmc(s: Session, run: Change) -> Bmc:
    bmc = bmcs.of_host(s, run.params.host_id)
    if bmc is None:
        raise Refused("The host's BMC was removed")
    return bmc


def remember(run: Change) -> None:
    """Keep the new password beside the old one."""

    def work(s: Session) -> None:
        bmc = _bmc(s, run)
        if bmc.password_sealed != run.params.sealed:
            bmc.pending_sealed = run.params.sealed

    run.env.db.tx(work)


def forget(run: Change) -> None:
    """Forget the new one, which the BMC does not have."""

    def work(s: Session) -> None:
        bmc = bmcs.of_host(s, run.params.host_id)
        if bmc is not None and bmc.pending_sealed == run.params.sealed:
            bmc.pending_sealed = None

    run.env.db.tx(work)


def _both(run: Change) -> tuple[Reach, BmcSpec, BmcSpec]:
    """Return the way to the BMC with the old password, and with the new one."""
    way = reach(run.env, run.env.db.read(lambda s: _bmc(s, run)))
    if len(way.specs) != 2:
        raise Refused("The BMC was configured anew meanwhile")
    return way, way.specs[0], way.specs[1]


def tell_bmc(run: Change) -> None:
    """Let the BMC take the new password; one that has it already is content."""
    way, old, new = _both(run)
    try:
        way.driver.set_password(old, new.password.reveal(), within_s=CHANGE_S)
    except WrongPassword:
        way.driver.read(new, within_s=READ_S)  # the answer of an earlier try was lost


def take_old_back(run: Change) -> None:
    """Let the BMC take the old password again, if it has the new one."""
    bmc = run.env.db.read(lambda s: bmcs.of_host(s, run.params.host_id))
    if bmc is None or bmc.pending_sealed != run.params.sealed:
        return
    way, old, new = _both(run)
    try:
        way.driver.read(old, within_s=READ_S)
    except WrongPassword:
        way.driver.set_password(new, old.password.reveal(), within_s=CHANGE_S)


def say_changed(run: Change) -> None:
    """The new password is the password."""

    def work(s: Session) -> None:
        bmc = _bmc(s, run)
        if bmc.pending_sealed != run.params.sealed:
            return
        bmc.password_sealed, bmc.pending_sealed = run.params.sealed, None
        host, mine = s.get_one(Host, run.params.host_id), s.get_one(SagaRow, run.saga_id)
        events.note(
            s,
            "HOST.OOBM.CHANGEPASSWORD",
            f"The password of the BMC of host {host.name} was changed",
            account_id=mine.account_id or 0,
            user_id=mine.user_id or 0,
            resource_type="Host",
            resource_uuid=host.uuid,
        )

    run.env.db.tx(work)


CHANGE_BMC_PASSWORD = Saga[Env, ChangePassword](
    "bmc.password",
    ChangePassword,
    Step(remember, undo=forget),
    Step(tell_bmc, undo=take_old_back),
    Step(say_changed),
)
