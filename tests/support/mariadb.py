"""A MariaDB server of the tests' own: data, socket and end of its own, nothing on the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pymysql

from support.until import until

START_WITHIN_S = 60.0
SETTINGS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-grant-tables=0",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=96M",
    "--innodb-log-file-size=48M",
    "--innodb-lock-wait-timeout=10",
    "--performance-schema=OFF",
    "--max-connections=600",
    "--character-set-server=utf8mb4",
)


def why_not() -> str:
    """Return why no server can be started here, or nothing."""
    missing = [name for name in ("mariadbd", "mariadb-install-db") if shutil.which(name) is None]
    return f"{' and '.join(missing)} missing: apt-get install mariadb-server" if missing else ""


class MariaDb:
    """One server; it starts when it is made and leaves nothing when it is stopped."""

    def __init__(self) -> None:
        home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = Path(tempfile.mkdtemp(prefix="tegar-mariadb-", dir=home))
        self.socket = self.root / "s"
        self._names = 0
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={self.root}/data"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", data, *user, "--auth-root-authentication-method=normal",
             "--skip-test-db"],
            check=True, capture_output=True,
        )  # fmt: skip
        with (self.root / "log").open("wb") as log:
            self._server = subprocess.Popen(
                ["mariadbd", "--no-defaults", data, *user, f"--socket={self.socket}",
                 f"--pid-file={self.root}/pid", f"--tmpdir={self.root}", *SETTINGS],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, "MariaDB answers", within_s=START_WITHIN_S)

    def _answers(self) -> bool:
        if self._server.poll() is not None:
            raise AssertionError(f"MariaDB ended: {(self.root / 'log').read_text()[-2000:]}")
        try:
            self.run("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the server's root; return the rows of the last."""
        connection = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def new(self) -> tuple[str, str]:
        """Make an empty database; return its name and its address."""
        self._names += 1
        name = f"t{self._names}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return name, f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}"

    def drop(self, name: str) -> None:
        """Remove a database."""
        self.run(f"DROP DATABASE IF EXISTS {name}")

    def stop(self) -> None:
        """End the server and remove all it had."""
        self._server.terminate()
        try:
            self._server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self.root, ignore_errors=True)
