"""Fresh databases for tests: on SQLite, and on a MariaDB server of the tests' own.

Each is a copy of one that was made once, empty or with the administrator of a new cloud.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from support.cloud import KEY
from support.mariadb import MariaDb
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.ops.bootstrap import bootstrap
from tegar.store.schema import METADATA

BOTH = [pytest.param("sqlite"), pytest.param("mariadb", marks=pytest.mark.mariadb)]


class Databases:
    """Fresh databases."""

    def __init__(self, tmp: Path, request: pytest.FixtureRequest) -> None:
        self._tmp, self._request = tmp, request
        self._file = cache(self._make_file)
        self._statements = cache(self._make_statements)

    def url(self, kind: str, file: Path) -> tuple[str, str]:
        """Return the address of a database with all tables, and its name on the server if there is one."""
        return self._copy(kind, file, cloud=False)

    def of_cloud(self, kind: str, file: Path) -> tuple[str, str]:
        """Return the same of a cloud that has its administrator, made when a ``ManualClock`` begins."""
        return self._copy(kind, file, cloud=True)

    def drop(self, name: str) -> None:
        """Remove a database of the server."""
        if name:
            self._server.drop(name)

    @property
    def _server(self) -> MariaDb:
        server: MariaDb = self._request.getfixturevalue("mariadb")
        return server

    def _copy(self, kind: str, file: Path, *, cloud: bool) -> tuple[str, str]:
        if kind == "mariadb":
            name, url = self._server.new()
            self._server.run(f"USE {name}", "SET FOREIGN_KEY_CHECKS = 0", *self._statements(cloud))
            return url, name
        shutil.copy(self._file(cloud), file)
        return f"sqlite:///{file}", ""

    def _make_file(self, cloud: bool) -> Path:
        file = self._tmp / f"model-{cloud}.db"
        create(f"sqlite:///{file}", cloud=cloud)
        return file

    def _make_statements(self, cloud: bool) -> list[str]:
        """Return what makes a copy of a model: each table at once with its indexes, which is quick."""
        model, url = self._server.new()
        create(url, cloud=cloud)
        tables = [table.name for table in METADATA.sorted_tables]
        made = [str(self._server.run(f"SHOW CREATE TABLE {model}.{table}")[0][1]) for table in tables]
        filled = [table for table in tables if self._server.run(f"SELECT 1 FROM {model}.{table} LIMIT 1")]
        return [*made, *(f"INSERT INTO {table} SELECT * FROM {model}.{table}" for table in filled)]


def create(url: str, *, cloud: bool = False) -> None:
    """Make all tables, and the administrator of a cloud."""
    clock = ManualClock()
    db = Db(url, clock)
    METADATA.create_all(db.engine)
    if cloud:
        db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="password"))
    db.close()
