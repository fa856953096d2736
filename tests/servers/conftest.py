"""A cloud of three management servers, all well before and after each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from trio_cloud import Trio

from support.until import until
from tegar.main import several
from tegar.main.client import Client
from tegar.main.down import take_down
from tegar.main.local import Place, free_port
from tegar.main.several import Several
from tegar.main.up import up


@pytest.fixture(scope="session")
def made() -> Iterator[Trio]:
    if reason := several.why_not():
        pytest.skip(reason)
    place = Place(Path(tempfile.mkdtemp(prefix="tegar-trio-")))
    try:
        facts = up(place, hosts=2, simulated=True, port=free_port(0), servers=3, say=print)
        yield Trio(Several(place, 3, facts["port"]), {**facts, "vm": _first_vm(facts)})
    finally:
        take_down(place, print)
        shutil.rmtree(place.root, ignore_errors=True)


def _first_vm(facts: dict[str, Any]) -> str:
    client = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
    found: str = client.first("listVirtualMachines", "virtualmachine", listall=True)["id"]
    return found


@pytest.fixture
def trio(made: Trio) -> Iterator[Trio]:
    """All three are Up and ready, before and afterwards."""
    yield made
    made.sim(times={"start_s": 0.0})
    for name in made.cloud.names:
        several.start_server(made.cloud, name)
        row = made.row(name)
        if row["state"] in ("PreparingForShutDown", "ReadyToShutDown"):
            made.client()("cancelShutdown", managementserverid=row["id"])
        until(lambda n=name: _is_up(made, n), f"{name} is ready again")  # type: ignore[misc]


def _is_up(made: Trio, name: str) -> bool:
    try:
        return made.ready(name).is_success and made.row(name)["state"] == "Up"
    except httpx.HTTPError:
        return False
