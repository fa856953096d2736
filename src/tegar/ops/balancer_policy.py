"""How load balancers keep clients at their members, and check those."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeVar

from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.store import balancers as store
from tegar.store import routers
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.networks import Network

# What each method takes: its parameters, by what they may be.
WORD, NUMBER, TIME, FLAG = r"[A-Za-z0-9_.-]{1,64}", r"\d{1,9}", r"\d{1,9}(ms|s|m|h|d)?", r"|true|false"
METHODS: dict[str, dict[str, str]] = {
    "LbCookie": {
        "cookie-name": WORD, "mode": "rewrite|insert|prefix", "nocache": FLAG, "indirect": FLAG, "postonly": FLAG,
        "domain": WORD,
    },
    "AppCookie": {
        "cookie-name": WORD, "length": NUMBER, "holdtime": TIME, "request-learn": FLAG, "prefix": FLAG,
        "mode": "path-parameters|query-string",
    },
    "SourceBased": {"tablesize": r"\d{1,9}[kmg]?", "expire": TIME},
}  # fmt: skip
_PATH = re.compile(r"/[A-Za-z0-9/_.~%?=&+,:@-]{0,223}")

P = TypeVar("P", StickinessPolicy, HealthPolicy)


def stick(
    ctx: Ctx,
    row: LoadBalancer,
    *,
    name: str,
    method: str,
    params: Mapping[str, str],
    description: str,
    shown: bool,
) -> SagaRow:
    """Ask for a load balancer to keep clients at their member.

    Raises:
        BadParameter: no such method, or it has no such parameter.
        RuleConflict: it does so already, by another policy.
    """
    network = _begin(ctx, row, StickinessPolicy)
    chosen = next((m for m in METHODS if m.lower() == method.lower()), None)
    if chosen is None:
        raise BadParameter("methodname", f"{method[:40]!r} is none of {', '.join(METHODS)}")
    if row.protocol == "udp":
        raise Refused("Clients stick to members of TCP only")
    for key, value in params.items():
        wanted = METHODS[chosen].get(key)
        if wanted is None:
            raise BadParameter("param", f"{chosen} has no {key[:40]!r}; it has {', '.join(METHODS[chosen])}")
        if not re.fullmatch(wanted, value):
            raise BadParameter("param", f"{value[:40]!r} is no {key}")
    made = StickinessPolicy(
        name=name, description=description, account_id=row.account_id, domain_id=row.domain_id,
        balancer_id=row.id, method=chosen, params=json.dumps(dict(params)), shown=shown,
    )  # fmt: skip
    return _add(ctx, network, row, made, "LB.STICKINESSPOLICY.CREATE")


def check(
    ctx: Ctx,
    row: LoadBalancer,
    *,
    path: str,
    interval_s: int,
    timeout_s: int,
    healthy: int,
    unhealthy: int,
    description: str,
    shown: bool,
) -> SagaRow:
    """Ask for a load balancer to find out which members serve.

    Raises:
        BadParameter: a path that is none, or a timeout that is not shorter than the interval.
        RuleConflict: it does so already, by another policy.
    """
    network = _begin(ctx, row, HealthPolicy)
    if path and not _PATH.fullmatch(path):
        raise BadParameter("pingpath", f"{path[:60]!r} is no path, such as /health")
    if timeout_s >= interval_s:
        raise BadParameter(
            "responsetimeout", f"{timeout_s} s is not shorter than intervaltime, {interval_s} s"
        )
    made = HealthPolicy(
        description=description, account_id=row.account_id, domain_id=row.domain_id, balancer_id=row.id,
        path=path, interval_s=interval_s, timeout_s=timeout_s, healthy=healthy, unhealthy=unhealthy, shown=shown,
    )  # fmt: skip
    return _add(ctx, network, row, made, "LB.HEALTHCHECKPOLICY.CREATE")


def _begin(ctx: Ctx, row: LoadBalancer, kind: type[P]) -> Network:
    must_operate(ctx, row)
    network = ctx.s.get_one(Network, row.network_id)
    routers.want_again(ctx.s, network.group_id)
    rules.must_be_active(row)
    if store.policies(ctx.s, kind, [row.id]):
        raise RuleConflict(f"Load balancer {row.name} has such a policy already; delete that first")
    return network


def _add(ctx: Ctx, network: Network, row: LoadBalancer, made: P, event: str) -> SagaRow:
    ctx.s.add(made)
    ctx.s.flush()
    ctx.note(event, f"Policy of load balancer {row.name}", made, state="Started")
    return rules.apply(ctx, network, [made], made)


def remove(ctx: Ctx, policy: P) -> SagaRow:
    """Ask for a policy to end.

    Raises:
        Refused: it is being deleted already.
    """
    row = ctx.s.get_one(LoadBalancer, policy.balancer_id)
    rules.end(ctx, policy)
    ctx.note("LB.POLICY.DELETE", f"Deleting a policy of load balancer {row.name}", policy, state="Started")
    return rules.apply(ctx, ctx.s.get_one(Network, row.network_id), [policy], policy)


def show(ctx: Ctx, policy: P, *, shown: bool | None) -> P:
    """Show a policy to users, or hide it."""
    must_operate(ctx, policy)
    if shown is not None:
        policy.shown = shown
    return policy
