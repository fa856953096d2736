"""Fresh databases for tests: on SQLite, and on a MariaDB server of the tests' own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tegar.kernel.db import Db
from tegar.store.schema import METADATA

BOTH = [pytest.param("sqlite"), pytest.param("mariadb", marks=pytest.mark.mariadb)]


class Databases:
    """Fresh databases; those of SQLite are copies of a file that was made once."""

    def __init__(self, tmp: Path, request: pytest.FixtureRequest) -> None:
        self._tmp, self._request = tmp, request
        self._blank: Path | None = None
        self._cloud: Path | None = None
        self._count = 0

    def url(self, kind: str, file: Path) -> tuple[str, str]:
        """Return the address of a database with all tables, and its name on the server if there is one."""
        if kind == "mariadb":
            name, url = self._request.getfixturevalue("mariadb").new()
            create(url)
            return url, name
        if self._blank is None:
            self._blank = self._tmp / "blank.db"
            create(f"sqlite:///{self._blank}")
        shutil.copy(self._blank, file)
        return f"sqlite:///{file}", ""

    def drop(self, name: str) -> None:
        """Remove a database of the server."""
        if name:
            self._request.getfixturevalue("mariadb").drop(name)


def create(url: str) -> None:
    """Make all tables."""
    db = Db(url)
    METADATA.create_all(db.engine)
    db.close()
