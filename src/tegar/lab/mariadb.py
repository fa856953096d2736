"""A MariaDB server of our own: data, socket and end of its own, nothing on the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tegar.lab.errors import LabError

START_WITHIN_S = 90.0
SETTINGS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=96M",
    "--innodb-log-file-size=48M",
    "--innodb-lock-wait-timeout=10",
    "--performance-schema=OFF",
    "--max-connections=600",
    "--character-set-server=utf8mb4",
)


def missing() -> str:
    """Return why no server can be started here, or nothing."""
    absent = [name for name in ("mariadbd", "mariadb-install-db", "mariadb") if shutil.which(name) is None]
    return f"{' and '.join(absent)} missing: apt-get install mariadb-server" if absent else ""


class MariaDb:
    """One server; it starts when it is made and leaves nothing when it is stopped."""

    def __init__(self, root: Path) -> None:
        """Make the data directory in *root*, which is created and must be short (its socket's name has a limit).

        Raises:
            LabError: MariaDB is missing or does not start.
        """
        if reason := missing():
            raise LabError(reason)
        self.root, self.socket, self._names = root, root / "s", 0
        root.mkdir(parents=True)
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={root}/data"
        install = [
            "mariadb-install-db",
            "--no-defaults",
            data,
            *user,
            "--auth-root-authentication-method=normal",
        ]
        done = subprocess.run([*install, "--skip-test-db"], capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"MariaDB could not make its data directory: {done.stderr[-1000:]}")
        words = ["mariadbd", "--no-defaults", data, *user, f"--socket={self.socket}", f"--tmpdir={root}"]
        with (root / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [*words, f"--pid-file={root}/pid", *SETTINGS], stdout=log, stderr=log
            )
        end_s = time.monotonic() + START_WITHIN_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > end_s:
                raise LabError(f"MariaDB did not start: {(root / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Return the server's process."""
        return self._server.pid

    def _answers(self) -> bool:
        return self._client("SELECT 1").returncode == 0

    def _client(self, statement: str) -> subprocess.CompletedProcess[str]:
        words = [
            "mariadb",
            "--no-defaults",
            f"--socket={self.socket}",
            "--user=root",
            "--batch",
            "-e",
            statement,
        ]
        return subprocess.run(words, capture_output=True, text=True)

    def new(self) -> tuple[str, str]:
        """Make an empty database; return its name and its address."""
        self._names += 1
        name = f"t{self._names}"
        done = self._client(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        if done.returncode != 0:
            raise LabError(f"MariaDB made no database: {done.stderr}")
        return name, f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}"

    def drop(self, name: str) -> None:
        """Remove a database."""
        self._client(f"DROP DATABASE IF EXISTS {name}")

    def stop(self) -> None:
        """End the server and remove all it had."""
        self._server.terminate()
        try:
            self._server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self.root, ignore_errors=True)
