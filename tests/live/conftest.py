"""Fixtures for tests of real routers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agents import image, world
from scenes import Scene
from wires import Wire, making_routers, making_wire

from tegar.agent.router.service import NamespaceRouters


@pytest.fixture
def wire() -> Iterator[Wire]:
    with making_wire() as made:
        yield made


@pytest.fixture
def routers(wire: Wire) -> Iterator[NamespaceRouters]:
    with making_routers(wire.folder) as made:
        yield made


@pytest.fixture
def scene(wire: Wire, routers: NamespaceRouters) -> Scene:
    return Scene(wire, routers)


__all__ = ["image", "world"]
