"""The fixture itself: a cloud that answers, and a zone in it."""

from __future__ import annotations

from support.cloud import Cloud
from tegar.kernel.db import Db
from tegar.store.accounts import Account


def test_the_administrator_sees_the_zone_that_was_built(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=3)

    zones = cloud.api("listZones")["zone"]

    assert [z["id"] for z in zones] == [built.zone]
    assert len(built.hosts) == 3


def test_a_user_has_an_account_of_their_own(cloud: Cloud) -> None:
    cloud.ready_zone()

    assert cloud.as_user("alice").api("listZones", available=True)["count"] == 1
    assert cloud.as_user("alice").account_id != cloud.as_user("bob").account_id


def test_a_fresh_database_is_empty(db: Db) -> None:
    assert db.read(lambda s: s.query(Account).count()) == 0
