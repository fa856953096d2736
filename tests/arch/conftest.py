"""One furnished cloud for all tests that change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from furnished import Furnished, furnish

from support.cloud import KEY, Cloud
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.ops.bootstrap import bootstrap
from tegar.sim.world import World


@pytest.fixture(scope="package")
def furnished(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """A cloud with one of everything."""
    url, _ = databases.url("sqlite", tmp_path_factory.mktemp("furnished") / "tegar.db")
    clock = ManualClock()
    db = Db(url, clock)
    db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="password"))
    cloud = Cloud(db, World(clock=clock), clock)
    yield furnish(cloud)
    cloud.close()
    db.close()
