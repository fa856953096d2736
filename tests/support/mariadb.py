"""The tests' own MariaDB server, in memory where the machine has a place for that."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pymysql

from tegar.lab import mariadb as lab

why_not = lab.missing


class MariaDb:
    """A server for one test run."""

    def __init__(self) -> None:
        home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._root = Path(tempfile.mkdtemp(prefix="tegar-mariadb-", dir=home))
        self._server = lab.MariaDb(self._root / "d")
        self.new, self.drop = self._server.new, self._server.drop

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the server's root; return the rows of the last."""
        connection = pymysql.connect(unix_socket=str(self._server.socket), user="root", autocommit=True)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server and remove all it had."""
        self._server.stop()
        shutil.rmtree(self._root, ignore_errors=True)
