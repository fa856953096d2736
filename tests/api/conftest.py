"""A small cloud without hosts, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import SmallCloud, small_cloud
from web import Web

from tegar.api import http


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCloud]:
    """A cloud that has just been installed."""
    made = small_cloud(tmp_path)
    yield made
    made.db.close()


@pytest.fixture
def web(small: SmallCloud) -> Iterator[Web]:
    """A client of the ASGI application."""
    client = Web(http.app(small.api, lambda: {}))
    yield client
    client.close()
