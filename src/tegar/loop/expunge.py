"""Expunge VMs that have been destroyed for long enough."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.model.settings import EXPUNGE_DELAY_S
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.saga.vm_destroy import DESTROY_VM, DestroyVm
from tegar.store.vms import Vm

AT_ONCE = 50


def round(env: Env) -> None:
    """Submit their sagas."""
    env.db.tx(lambda s: _submit(s, env.clock.now_s()))


def _submit(s: Session, now_s: float) -> None:
    before_s = now_s - EXPUNGE_DELAY_S.of(s)
    stmt = select(Vm).where(Vm.state == State.DESTROYED, Vm.destroyed_s < before_s)
    for vm in s.scalars(stmt.order_by(Vm.destroyed_s).limit(AT_ONCE)):
        fire(s, vm, Event.EXPUNGE)
        DESTROY_VM.submit(s, DestroyVm(vm.id, None, expunge=True))
