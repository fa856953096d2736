"""Hold a public address, and let it go: done when the routers answer to it, or do so no more."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.kernel.saga import Run, Saga, Step
from tegar.model.rule import RuleState
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.saga.router_obey import obey
from tegar.saga.rule_apply import RuleRef
from tegar.store import addresses, routers, rules
from tegar.store.addresses import PublicAddress, State


@dataclass(frozen=True)
class HoldAddress:
    """Which address, the groups of routers that must obey, and rules that come into force with it."""

    address_id: int
    group_ids: tuple[int, ...]
    rules: tuple[RuleRef, ...] = ()


Hold = Run[Env, HoldAddress]


def accepted(run: Hold) -> None:
    """Begin: the request gave the address to the account."""


def give_back(run: Hold) -> None:
    """The address is free again, and rules that were made for it meanwhile are no more."""

    def work(s: Session) -> None:
        address = s.get_one(PublicAddress, run.params.address_id)
        if address.state == State.ALLOCATED:
            rules.forget_address(s, address.id, run.env.clock.now_s())
            addresses.let_go(address)
        for group_id in run.params.group_ids:
            routers.want_again(s, group_id)

    run.env.db.tx(work)
    obey_later(run, list(run.params.group_ids))


def reach(run: Hold) -> None:
    """Let the routers obey."""
    for group_id in run.params.group_ids:
        obey(run.env, group_id, run.fence)


def unreach(run: Hold) -> None:
    """They are told by the undo of the step before."""


def settle(run: Hold) -> None:
    """Rules that came with the address are Active."""

    def work(s: Session) -> None:
        for given in run.params.rules:
            rule = s.get_one(rules.RULES[given.noun], given.id)
            if rule.state == RuleState.ADD:
                rule.state = RuleState.ACTIVE

    run.env.db.tx(work)


HOLD_ADDRESS = Saga[Env, HoldAddress](
    "address.hold",
    HoldAddress,
    Step(accepted, undo=give_back),
    Step(reach, undo=unreach),
    Step(settle),
)


def leaving(run: Hold) -> None:
    """Begin: the request made the address Releasing, and its rules Deleting."""


def keep(run: Hold) -> None:
    """The account keeps it, and its rules are in force again."""

    def work(s: Session) -> None:
        address = s.get_one(PublicAddress, run.params.address_id)
        if address.state == State.RELEASING:
            address.state = State.ALLOCATED
            for rule in rules.of_address(s, address.id):
                if rule.state == RuleState.REVOKE:
                    rule.state = RuleState.ACTIVE
        for group_id in run.params.group_ids:
            routers.want_again(s, group_id)

    run.env.db.tx(work)
    obey_later(run, list(run.params.group_ids))


def let_go(run: Hold) -> None:
    """It is anybody's, and its rules are gone."""

    def work(s: Session) -> None:
        address = s.get_one(PublicAddress, run.params.address_id)
        if address.state == State.RELEASING:
            rules.forget_address(s, address.id, run.env.clock.now_s())
            addresses.let_go(address)

    run.env.db.tx(work)


RELEASE_ADDRESS = Saga[Env, HoldAddress](
    "address.release",
    HoldAddress,
    Step(leaving, undo=keep),
    Step(reach, undo=unreach),
    Step(let_go),
)
