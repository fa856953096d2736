"""A cloud of several processes on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import Remote


@pytest.fixture
def remote(db_url: str, tmp_path: Path) -> Iterator[Remote]:
    """A simulated world, a nursery of servers, and a zone of three hosts."""
    made = Remote(db_url, tmp_path)
    try:
        made.ready_zone(hosts=3)
        yield made
    finally:
        made.close()
