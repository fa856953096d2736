"""What failovers stand on is checked each night and when somebody asks; what is bad is an alert until it is mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from support.cloud import Cloud
from support.leases import guard
from tegar.ha.health import Check, look
from tegar.loop import health
from tegar.model.settings import HA_CHECK_HOUR
from tegar.saga.env import Env
from tegar.store.events import Alert

GOOD = Check("h1", "lease", "fresh")
BAD = Check("h2", "warden", "?", "it has no watchdog")
DAY_S = 86400.0


def finds(*checks: Check) -> Callable[[Env, bytes], list[Check]]:
    """Return a look that finds this."""
    return lambda env, secret: list(checks)


def check(cloud: Cloud, *found: Check) -> None:
    """Let the loop come round once."""
    health.round(cloud.env, lambda: b"s" * 32, finds(*found))


def runs(cloud: Cloud) -> list[dict[str, object]]:
    return list(cloud.api("listHighAvailabilityChecks").get("highavailabilitycheckrun", []))


def alerts(cloud: Cloud) -> list[str]:
    stmt = select(Alert.text).where(Alert.type == health.ALERT, Alert.removed_s.is_(None))
    return list(cloud.db.read(lambda s: s.scalars(stmt).all()))


def ask(cloud: Cloud) -> str:
    return str(cloud.api("runHighAvailabilityCheck")["highavailabilitycheckrun"]["id"])


def test_each_night_of_a_cloud_with_witnesses_has_one_check(cloud: Cloud) -> None:
    cloud.clock.sleep(DAY_S)
    check(cloud, GOOD)
    assert runs(cloud) == []

    cloud.api("createWitness", name="w1", address="10.0.0.1", port=8253)
    check(cloud, GOOD)
    assert runs(cloud) == []

    cloud.clock.sleep(DAY_S)
    check(cloud, GOOD)
    check(cloud, GOOD)
    assert len(runs(cloud)) == 1

    cloud.clock.sleep(DAY_S)
    check(cloud, GOOD)
    check(cloud, GOOD)
    assert len(runs(cloud)) == 2


def test_the_hour_is_a_setting_and_one_beyond_the_day_means_never(cloud: Cloud) -> None:
    assert health.due_since_s(10 * DAY_S + 3600, 2) == 9 * DAY_S + 7200
    assert health.due_since_s(10 * DAY_S + 7200, 2) == 10 * DAY_S + 7200
    cloud.api("updateConfiguration", name=HA_CHECK_HOUR.name, value="24")
    cloud.api("createWitness", name="w1", address="10.0.0.1", port=8253)
    cloud.clock.sleep(2 * DAY_S)

    check(cloud, GOOD)

    assert runs(cloud) == []


def test_what_is_bad_is_an_alert_until_a_check_finds_nothing(cloud: Cloud) -> None:
    ask(cloud)
    check(cloud, GOOD, BAD)

    (run,) = runs(cloud)
    assert (run["good"], run["total"], run["bad"]) == (False, 2, 1)
    assert run["finding"] == [
        {"subject": "h2", "what": "warden", "shown": "?", "good": False, "reason": "it has no watchdog"},
        {"subject": "h1", "what": "lease", "shown": "fresh", "good": True},
    ]
    assert alerts(cloud) == ["h2, warden: it has no watchdog"]

    ask(cloud)
    check(cloud, GOOD)
    assert alerts(cloud) == []
    assert runs(cloud)[0]["good"] is True


def test_a_check_that_is_asked_for_is_done_at_the_next_round_once(cloud: Cloud) -> None:
    asked = cloud.api("runHighAvailabilityCheck")["highavailabilitycheckrun"]
    again = cloud.api("runHighAvailabilityCheck")["highavailabilitycheckrun"]
    assert asked["id"] == again["id"]
    assert "good" not in asked

    check(cloud, GOOD)
    check(cloud, GOOD)

    (found,) = cloud.api("listHighAvailabilityChecks", id=asked["id"])["highavailabilitycheckrun"]
    assert found["good"] is True
    assert len(runs(cloud)) == 1


def test_more_than_a_row_holds_loses_what_is_good_and_never_what_is_bad(cloud: Cloud) -> None:
    ask(cloud)
    check(cloud, *[GOOD] * 2000, BAD)

    (run,) = runs(cloud)
    assert run["total"] == 2001
    assert run["finding"][0]["reason"] == "it has no watchdog"  # type: ignore[index]


@pytest.mark.parametrize("leases", [False, True])
def test_a_cloud_is_looked_at_and_not_touched(cloud: Cloud, leases: bool) -> None:
    cloud.ready_zone(hosts=2)
    if leases:
        guard(cloud)

    found = {(c.subject, c.what): c for c in look(cloud.env, b"s" * 32)}

    assert found["cluster", "witnesses"].why.startswith("there are no witnesses")
    assert found["h1", "power"].shown == "no BMC"
    assert ("h2", "warden") in found
    assert found["cluster", "spare capacity"].why == (
        "" if leases else "none of its hosts has a lease with HA enabled: no failure is answered"
    )
