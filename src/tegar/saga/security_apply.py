"""Bring rules of a security group into force, or end them: done when the packets obey, not when the rows are written.

The request wrote the rows (``Add``, or ``Deleting``), which counts as desired at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.rule import RuleState
from tegar.saga.env import Env
from tegar.saga.nic_filters import obey, obey_later
from tegar.store import security_groups
from tegar.store.security_groups import SecurityRule


@dataclass(frozen=True)
class ApplySecurity:
    """Which rules of which group, and whether they shall be gone."""

    group_id: int
    rule_ids: tuple[int, ...]
    ends: bool


Apply = Run[Env, ApplySecurity]


def _members(run: Apply) -> list[int]:
    return run.env.db.read(lambda s: security_groups.members(s, [run.params.group_id]))


def _rules(s: Session, run: Apply) -> Sequence[SecurityRule]:
    return s.scalars(
        select(SecurityRule).where(SecurityRule.id.in_(run.params.rule_ids), live(SecurityRule))
    ).all()


def accepted(run: Apply) -> None:
    """Begin: the rows are as they should be in the end."""


def withdraw(run: Apply) -> None:
    """What was to be added is no more, what was to be ended stays; the hosts hear of it, if they answer."""

    def work(s: Session) -> None:
        for rule in _rules(s, run):
            if not run.params.ends:  # also one whose end was asked for meanwhile: it never came into force
                rule.removed_s = run.env.clock.now_s()
            elif rule.state == RuleState.REVOKE:
                rule.state = RuleState.ACTIVE
        security_groups.want_again(s, [run.params.group_id])

    run.env.db.tx(work)
    obey_later(run, _members(run))


def reach(run: Apply) -> None:
    """Let the hosts of all members obey; one that is away is told when it is back."""
    obey(run.env, _members(run), run.fence)


def unreach(run: Apply) -> None:
    """They are told by the undo of the step before."""


def settle(run: Apply) -> None:
    """What was added is Active, what was ended is gone."""

    def work(s: Session) -> None:
        for rule in _rules(s, run):
            if run.params.ends and rule.state == RuleState.REVOKE:
                rule.removed_s = run.env.clock.now_s()
            elif rule.state == RuleState.ADD:
                rule.state = RuleState.ACTIVE

    run.env.db.tx(work)


APPLY_SECURITY = Saga[Env, ApplySecurity](
    "security.apply",
    ApplySecurity,
    Step(accepted, undo=withdraw),
    Step(reach, undo=unreach, patience_s=60),
    Step(settle),
)
