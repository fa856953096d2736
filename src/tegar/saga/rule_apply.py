"""Bring rules into force, or end them: done when the packets obey, not when the row is written.

The request wrote the rows (``Add``, or ``Deleting``), which counts as desired at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.model.rule import RuleState
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_obey import obey
from tegar.store import routers
from tegar.store.rules import RULES, noun_of
from tegar.store.rules import end as end_rule


@dataclass(frozen=True)
class RuleRef:
    """One rule: its kind, as in ``RULES``, and its row's id; ``ends``: it shall be gone (None: as its state says)."""

    noun: str
    id: int
    ends: bool | None = None


@dataclass(frozen=True)
class ApplyRules:
    """Which rules, and the groups of routers that must obey.  Without rules: whatever else was changed."""

    group_ids: tuple[int, ...]
    rules: tuple[RuleRef, ...] = ()


Apply = Run[Env, ApplyRules]


def ref(row: Any) -> RuleRef:
    """Return a rule as its request left it: to come into force, or to end."""
    return RuleRef(noun_of(row), row.id, row.state == RuleState.REVOKE)


def _ends(given: RuleRef, row: Any) -> bool:
    return given.ends if given.ends is not None else row.state == RuleState.REVOKE


def accepted(run: Apply) -> None:
    """Begin: the rows are as they should be in the end."""


def withdraw(run: Apply) -> None:
    """What was to be added is no more, what was to be ended stays; the routers hear of it, if they answer."""

    def work(s: Session) -> None:
        for given in run.params.rules:
            row = s.get_one(RULES[given.noun], given.id)
            if row.removed_s:
                continue
            if not _ends(given, row):  # also one whose end was asked for meanwhile: it never came into force
                end_rule(s, row, run.env.clock.now_s())
            elif row.state == RuleState.REVOKE:
                row.state = RuleState.ACTIVE
        for group_id in run.params.group_ids:
            routers.want_again(s, group_id)

    run.env.db.tx(work)
    obey_later(run, list(run.params.group_ids))


def reach(run: Apply) -> None:
    """Let the routers obey."""
    for group_id in run.params.group_ids:
        obey(run.env, group_id, run.fence)


def unreach(run: Apply) -> None:
    """They are told by the undo of the step before."""


def settle(run: Apply) -> None:
    """What was added is Active, what was ended is gone."""

    def work(s: Session) -> None:
        for given in run.params.rules:
            row = s.get_one(RULES[given.noun], given.id)
            if _ends(given, row) and row.state == RuleState.REVOKE and not row.removed_s:
                end_rule(s, row, run.env.clock.now_s())
            elif row.state == RuleState.ADD:
                row.state = RuleState.ACTIVE

    run.env.db.tx(work)


APPLY_RULES = Saga[Env, ApplyRules](
    "rule.apply",
    ApplyRules,
    Step(accepted, undo=withdraw),
    Step(reach, undo=unreach),
    Step(settle),
)
