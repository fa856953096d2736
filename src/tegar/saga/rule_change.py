"""Change what rules say: done when the packets obey.  A change that fails is put back.

The request wrote the new values, which counts as desired at once.
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
from tegar.saga.rule_apply import RuleRef
from tegar.store import routers
from tegar.store.addresses import PublicAddress
from tegar.store.networks import Network, Nic
from tegar.store.rules import RULES

CHANGEABLE: dict[str, Any] = {**RULES, "address": PublicAddress, "network": Network, "nic": Nic}


@dataclass(frozen=True)
class Change:
    """A row, by its kind and id, and the columns that are not as before."""

    noun: str
    id: int
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True)
class ChangeRules:
    """Which rows changed, which rules end with that, and the groups of routers that must obey, in that order."""

    group_ids: tuple[int, ...]
    changes: tuple[Change, ...]
    ends: tuple[RuleRef, ...] = ()


Changing = Run[Env, ChangeRules]


def write(row: Any, noun: str, **after: Any) -> Change:
    """Change a row and return what changed; values must be plain."""
    before = {name: getattr(row, name) for name in after}
    for name, value in after.items():
        setattr(row, name, value)
    return Change(noun, row.id, before, after)


def accepted(run: Changing) -> None:
    """Begin: the rows are as they should be in the end."""


def put_back(run: Changing) -> None:
    """Rows are as before, unless somebody has changed them again; the routers hear of it, if they answer."""

    def work(s: Session) -> None:
        for change in run.params.changes:
            row = s.get_one(CHANGEABLE[change.noun], change.id)
            if all(getattr(row, name) == value for name, value in change.after.items()):
                for name, value in change.before.items():
                    setattr(row, name, value)
        for given in run.params.ends:
            rule = s.get_one(RULES[given.noun], given.id)
            if rule.state == RuleState.REVOKE and not rule.removed_s:
                rule.state = RuleState.ACTIVE
        for group_id in run.params.group_ids:
            routers.want_again(s, group_id)

    run.env.db.tx(work)
    obey_later(run, list(run.params.group_ids))


def reach(run: Changing) -> None:
    """Let the routers obey."""
    for group_id in run.params.group_ids:
        obey(run.env, group_id, run.fence)


def unreach(run: Changing) -> None:
    """They are told by the undo of the step before."""


def settle(run: Changing) -> None:
    """What was ended is gone."""

    def work(s: Session) -> None:
        for given in run.params.ends:
            rule = s.get_one(RULES[given.noun], given.id)
            if rule.state == RuleState.REVOKE and not rule.removed_s:
                rule.removed_s = run.env.clock.now_s()

    run.env.db.tx(work)


CHANGE_RULES = Saga[Env, ChangeRules](
    "rule.change",
    ChangeRules,
    Step(accepted, undo=put_back),
    Step(reach, undo=unreach),
    Step(settle),
)
