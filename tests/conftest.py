"""Fixtures: databases and a whole simulated cloud."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import support.properties  # noqa: F401 - how properties are tried
from support import parts
from support.cloud import Cloud
from support.databases import BOTH, Databases
from support.mariadb import MariaDb, why_not
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Base, Db
from tegar.sim.world import World

FULL_ENOUGH = 20  # collections of the young since the last of all: some hundred thousand objects


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--clouds",
        default="",
        help="databases that whole clouds run on: sqlite, mariadb or sqlite,mariadb; both by default, but for tests/api",
    )

    parts.options(parser)


def pytest_collection_finish() -> None:
    """Take the thousands of collected tests out of the garbage collector's sight, and let full collections wait.

    One stops the process, for seconds on a busy machine, which MariaDB takes for a frozen process and ends its
    transaction.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Tidy up where no transaction is open: what mappers compiled for a database that is gone, and garbage."""
    for mapper in Base.registry.mappers:
        mapper._compiled_cache.clear()
    if gc.get_count()[2] > FULL_ENOUGH:
        gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        parts.account(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cloud_kind" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--clouds") or _usual_clouds(metafunc.definition.path)
        metafunc.parametrize("cloud_kind", wanted.split(","), indirect=True)


def _usual_clouds(file: Path) -> str:
    """Return the databases of a test's cloud: what commands say is tried on one, what sagas and races do on both."""
    return "sqlite" if file.parent.name == "api" else "sqlite,mariadb"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A server of our own, started when the first test wants one."""
    if why_not():
        pytest.skip(why_not())
    server = MariaDb()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Databases:
    """The maker of databases."""
    return Databases(tmp_path_factory.mktemp("db"), request)


@pytest.fixture(params=BOTH)
def db_url(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database with all tables: SQLite, and again MariaDB."""
    url, name = databases.url(request.param, tmp_path / "tegar.db")
    yield url
    databases.drop(name)


@pytest.fixture
def db(db_url: str) -> Iterator[Db]:
    """An empty database with all tables: SQLite, and again MariaDB."""
    opened = Db(db_url)
    yield opened
    opened.close()


@pytest.fixture
def cloud_kind(request: pytest.FixtureRequest) -> str:
    """Which database a whole cloud runs on."""
    kind: str = request.param
    return kind


@pytest.fixture
def new_cloud(cloud_kind: str, databases: Databases, tmp_path: Path) -> Iterator[Callable[[], Cloud]]:
    """Makes whole clouds; afterwards nothing impossible may have happened in the world of any."""
    made: list[tuple[Cloud, str]] = []

    def make() -> Cloud:
        url, name = databases.of_cloud(cloud_kind, tmp_path / f"cloud{len(made)}.db")
        clock = ManualClock()
        opened = Db(url, clock)
        made.append((Cloud(opened, World(clock=clock), clock), name))
        return made[-1][0]

    yield make
    for whole, name in made:
        whole.close()
        whole.db.close()
        databases.drop(name)
    assert [v for whole, _ in made for v in whole.world.violations] == []


@pytest.fixture
def cloud(new_cloud: Callable[[], Cloud]) -> Cloud:
    """A whole cloud on simulated hosts."""
    return new_cloud()
