"""Every saga obeys the law; one that nobody registered fails here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import saga.cases
import saga.cases_infra
import saga.cases_network
import saga.cases_network_life
import saga.cases_nics
import saga.cases_security
import saga.cases_vpc  # noqa: F401 - registers them
from saga.law import CASES, Case, Watcher, points, state_of, submit
from support.cloud import Cloud
from support.picture import differences, nameless, take
from tegar.kernel.saga import State
from tegar.saga.table import SAGAS
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm
from tegar.store.zones import Zone


@pytest.mark.parametrize("name", sorted(SAGAS))
def test_every_saga_is_registered(name: str) -> None:
    assert name in {chosen.saga for chosen in CASES}, f"tests/saga/cases.py makes no world for {name}"


@pytest.mark.parametrize(
    ("chosen", "step", "point"), points(forward_only=False), ids=lambda value: str(value) if value else ""
)
def test_a_saga_that_fails_leaves_the_world_as_it_was(
    cloud: Cloud, chosen: Case, step: str, point: str
) -> None:
    chosen.prepare(cloud)
    before = take(cloud)
    watcher = Watcher(cloud, chosen.saga, times=2, point=point, step=step)

    saga_id = submit(cloud, chosen, watcher)
    cloud.settle()

    assert watcher.failed, "the step was never reached"
    assert state_of(cloud, saga_id) == State.FAILED
    after = take(cloud)
    for allowed in chosen.allowed:
        allowed.forgive(before, after)
    assert differences(before, after) == []


@pytest.mark.parametrize(
    ("chosen", "step", "point"), points(forward_only=True), ids=lambda value: str(value) if value else ""
)
def test_a_saga_that_only_goes_forward_gets_there_after_failing(
    new_cloud: Callable[[], Cloud], chosen: Case, step: str, point: str
) -> None:
    cloud = _prepared(new_cloud, chosen)
    watcher = Watcher(cloud, chosen.saga, times=2, point=point, step=step)

    saga_id = submit(cloud, chosen, watcher)
    cloud.settle()
    assert state_of(cloud, saga_id) == State.STUCK
    assert cloud.engine.reopen(saga_id)
    cloud.step(saga_id)
    cloud.settle()

    assert state_of(cloud, saga_id) == State.DONE
    assert differences(_plain_end(_prepared(new_cloud, chosen), chosen), nameless(take(cloud))) == []


@pytest.mark.parametrize("chosen", CASES, ids=str)
def test_a_saga_whose_steps_run_twice_ends_as_if_they_ran_once(
    new_cloud: Callable[[], Cloud], chosen: Case
) -> None:
    cloud = _prepared(new_cloud, chosen)
    watcher = Watcher(cloud, chosen.saga, times=2)

    saga_id = submit(cloud, chosen, watcher)
    cloud.settle()

    assert state_of(cloud, saga_id) == State.DONE
    assert differences(_plain_end(_prepared(new_cloud, chosen), chosen), nameless(take(cloud))) == []


@pytest.mark.parametrize("chosen", CASES, ids=str)
def test_a_step_without_undo_is_one_transaction(cloud: Cloud, chosen: Case) -> None:
    watcher = Watcher(cloud, chosen.saga)
    chosen.prepare(cloud)

    submit(cloud, chosen, watcher)
    cloud.settle()

    if not SAGAS[chosen.saga].forward_only:
        for step in SAGAS[chosen.saga].steps:
            if step.undo is None:
                assert watcher.wrote[step.name] in ((0, 0), (1, 0)), f"{step.name}: (transactions, questions)"


def _prepared(new_cloud: Callable[[], Cloud], chosen: Case) -> Cloud:
    """Return a cloud where the saga can run, its rows numbered without gaps if that can be had.

    Two worlds are compared by the numbers of their rows, and MariaDB leaves a gap where a
    transaction was repeated.
    """
    for _ in range(3):
        cloud = new_cloud()
        chosen.prepare(cloud)
        if cloud.db.read(_gapless):
            break
    return cloud


def _gapless(s: Session) -> bool:
    counted = (
        s.execute(select(func.count(), func.max(kind.id))).one() for kind in (Zone, Host, Network, Vm, Nic)
    )
    return all(count == (highest or 0) for count, highest in counted)


def _plain_end(cloud: Cloud, chosen: Case) -> dict[str, Any]:
    """Return the picture of a prepared cloud after the saga ran once."""
    watcher = Watcher(cloud, chosen.saga)
    saga_id = submit(cloud, chosen, watcher)
    cloud.settle()
    assert state_of(cloud, saga_id) == State.DONE
    return nameless(take(cloud))
