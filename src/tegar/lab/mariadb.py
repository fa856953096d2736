"""A MariaDB server of our own: data, socket and end of its own, nothing on the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tegar.lab.errors import LabError

START_WITHIN_S = 90.0
SOCKET_NAME_LIMIT = 100
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


def socket_of(root: Path) -> Path:
    """Return where the server in *root* listens."""
    return root / "s"


def install(root: Path) -> None:
    """Make a data directory in *root*, which is created and must be short (its socket's name has a limit).

    Raises:
        LabError: MariaDB is missing or cannot do it.
    """
    if reason := missing():
        raise LabError(reason)
    if len(str(socket_of(root))) > SOCKET_NAME_LIMIT:
        raise LabError(f"{root} is too long a name for a database's directory: choose a shorter one")
    root.mkdir(parents=True)
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={root}/data", *_user(), "--skip-test-db"]
    done = subprocess.run(
        [*command, "--auth-root-authentication-method=normal"], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise LabError(f"MariaDB could not make its data directory: {done.stderr[-1000:]}")


def words(root: Path) -> list[str]:
    """Return the words that run the server in *root*."""
    places = [
        f"--datadir={root}/data",
        f"--socket={socket_of(root)}",
        f"--tmpdir={root}",
        f"--pid-file={root}/pid",
    ]
    return ["mariadbd", "--no-defaults", *_user(), *places, *SETTINGS]


def ask(root: Path, statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement as the root of the server in *root*."""
    command = ["mariadb", "--no-defaults", f"--socket={socket_of(root)}", "--user=root", "--batch"]
    return subprocess.run([*command, "-e", statement], capture_output=True, text=True)


def create(root: Path, name: str) -> str:
    """Make a database, unless it is there, and return its address.

    Raises:
        LabError: the server did not.
    """
    done = ask(root, f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    if done.returncode != 0:
        raise LabError(f"MariaDB made no database: {done.stderr}")
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={socket_of(root)}"


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


class MariaDb:
    """One server; it starts when it is made and leaves nothing when it is stopped."""

    def __init__(self, root: Path) -> None:
        """Make the data directory in *root*, which is created and must be short (its socket's name has a limit).

        Raises:
            LabError: MariaDB is missing or does not start.
        """
        self.root, self.socket, self._names = root, socket_of(root), 0
        install(root)
        with (root / "log").open("wb") as log:
            self._server = subprocess.Popen(words(root), stdout=log, stderr=log)
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
        return ask(self.root, "SELECT 1").returncode == 0

    def new(self) -> tuple[str, str]:
        """Make an empty database; return its name and its address."""
        self._names += 1
        name = f"t{self._names}"
        return name, create(self.root, name)

    def drop(self, name: str) -> None:
        """Remove a database."""
        ask(self.root, f"DROP DATABASE IF EXISTS {name}")

    def stop(self) -> None:
        """End the server and remove all it had."""
        self._server.terminate()
        try:
            self._server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self.root, ignore_errors=True)
