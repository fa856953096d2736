"""A whole cloud on simulated hosts, started as people start it; the clients reach it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import program


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cloud's files are."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def facts(directory: Path) -> Iterator[dict[str, Any]]:
    """Where the cloud is, and its administrator's keys."""
    try:
        yield program.up(directory, "--simulated")
    finally:
        program.down(directory)
