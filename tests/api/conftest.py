"""A small cloud without hosts, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import SmallCloud, small_cloud


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCloud]:
    """A cloud that has just been installed."""
    made = small_cloud(tmp_path)
    yield made
    made.db.close()
