"""The nightly check of what failovers stand on, and the checks that operators ask for in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tegar.ha.health import Check, look
from tegar.kernel import log
from tegar.kernel.db import live
from tegar.model.settings import HA_CHECK_HOUR
from tegar.saga.env import Env
from tegar.store import events, health
from tegar.store.health import HealthCheck
from tegar.store.leases import Witness

DAY_S, HOUR_S, NEVER = 86400.0, 3600.0, 24
ALERT = "ALERT.HA.CHECK"
ALERT_CHARACTERS, FINDINGS_CHARACTERS = 4000, 50_000
SUBJECT = "What failovers stand on is not as it should be"


def round(
    env: Env, secret: Callable[[], bytes], looks: Callable[[Env, bytes], Sequence[Check]] = look
) -> None:
    """Do the check that was asked for, or the one of this night; do nothing when there is none."""
    now_s = env.clock.now_s()
    row_id = env.db.tx(lambda s: _due(s, now_s))
    if row_id is None:
        return
    checks = looks(env, secret())
    ended_s = env.clock.now_s()
    env.db.tx(lambda s: _end(s, row_id, checks, ended_s))
    bad = sum(bool(c.why) for c in checks)
    log.get("loop").info("health of high availability checked", total=len(checks), bad=bad)


def due_since_s(now_s: float, hour: int) -> float:
    """Return the latest moment that was the hour of a day, in UTC."""
    today_s = now_s - now_s % DAY_S + hour * HOUR_S
    return today_s if today_s <= now_s else today_s - DAY_S


def _due(s: Session, now_s: float) -> int | None:
    """Return the row of the check that is to be done now; tonight's is made here.

    A cloud without witnesses answers no failure, and is looked at only when somebody asks.
    """
    row, hour = health.asked(s), HA_CHECK_HOUR.of(s)
    if row is not None:
        return row.id
    if hour >= NEVER:
        return None
    last, named_s = health.latest(s), s.scalar(select(func.min(Witness.created_s)).where(live(Witness)))
    if named_s is None or max(named_s, last.created_s if last else 0.0) >= due_since_s(now_s, hour):
        return None
    row = HealthCheck(created_s=now_s)
    s.add(row)
    s.flush()
    return row.id


def _end(s: Session, row_id: int, checks: Sequence[Check], now_s: float) -> None:
    """Write down what was found; what is bad is an alert, which ends with the first check that finds nothing."""
    row, bad = s.get_one(HealthCheck, row_id), [c for c in checks if c.why]
    row.ended_s, row.total, row.bad = now_s, len(checks), len(bad)
    row.findings = _shown(sorted(checks, key=lambda c: not c.why))
    if bad:
        text = "; ".join(f"{c.subject}, {c.what}: {c.why}" for c in bad)
        events.alert(s, ALERT, SUBJECT, text[:ALERT_CHARACTERS])
    else:
        events.end_alert(s, ALERT, SUBJECT, now_s)
    health.forget_old(s)


def _shown(checks: Sequence[Check]) -> str:
    """Return findings as they are kept, of many as many as a row holds; what is bad comes first."""
    kept: list[str] = []
    room = FINDINGS_CHARACTERS
    for check in checks:
        text = json.dumps(asdict(check))
        room -= len(text) + 2
        if room < 0:
            break
        kept.append(text)
    return f"[{', '.join(kept)}]"
