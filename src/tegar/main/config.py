"""How a management server runs: ``server.toml``, each value checked, and options over it."""

from __future__ import annotations

import argparse
import socket
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tegar.kernel.errors import BadParameter

DEFAULT_STATE = Path("/var/lib/tegar")


@dataclass(frozen=True)
class ServerConfig:
    """The settings that are not in the database.

    Attributes:
        state_dir: holds the vault's key and, by default, the embedded database.
        database: a URL; empty means SQLite in ``state_dir``.
        listen: address of the API and the pages.
        port: its port.
        agent_listen: address where agents join and report; empty: none.
        agent_port: its port.
        address: where agents reach this server; empty: ``agent_listen``.
        sim: where ``tegar sim`` answers, for hosts of hypervisor Simulator.
        threads: sagas at work at once.
        json_log: one JSON object a line instead of words.
    """

    state_dir: Path = DEFAULT_STATE
    database: str = ""
    listen: str = "127.0.0.1"
    port: int = 8080
    agent_listen: str = ""
    agent_port: int = 8251
    address: str = ""
    sim: str = ""
    threads: int = 256
    json_log: bool = False
    name: str = ""

    @property
    def url(self) -> str:
        """Return the database's URL."""
        return self.database or f"sqlite:///{self.state_dir / 'tegar.db'}"

    @property
    def shown_name(self) -> str:
        """Return the server's name for people."""
        return self.name or socket.gethostname()

    @property
    def report_urls(self) -> tuple[str, ...]:
        """Return where agents report."""
        reached = self.address or self.agent_listen
        return (f"https://{reached}:{self.agent_port}",) if self.agent_listen else ()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for every setting."""
    parser.add_argument("--config", type=Path, help="server.toml; default: STATE_DIR/server.toml")
    for f in fields(ServerConfig):
        flag = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            parser.add_argument(flag, action="store_const", const=True, default=None)
        else:
            parser.add_argument(flag, type=type(f.default) if not isinstance(f.default, Path) else Path)


def config_of(given: argparse.Namespace) -> ServerConfig:
    """Return the settings of the file, with those of the command line over them.

    Raises:
        BadParameter: an unknown setting, or a value of the wrong type.
    """
    state_dir = given.state_dir or DEFAULT_STATE
    file = given.config or state_dir / "server.toml"
    values = tomllib.loads(file.read_text()) if file.exists() else {}
    config = ServerConfig()
    for name, value in values.items():
        config = replace(config, **{name: _typed(name, value)})
    options = {f.name: getattr(given, f.name) for f in fields(ServerConfig)}
    return replace(config, **{name: value for name, value in options.items() if value is not None})


def config_in(state_dir: Path) -> ServerConfig:
    """Return the settings of a state directory's own file."""
    unsaid = {f.name: None for f in fields(ServerConfig)}
    return config_of(argparse.Namespace(**{**unsaid, "state_dir": state_dir, "config": None}))


def _typed(name: str, value: object) -> Any:
    known = {f.name: f.default for f in fields(ServerConfig)}
    if name not in known:
        raise BadParameter(name, f"server.toml knows {', '.join(sorted(known))}")
    if isinstance(known[name], Path) and isinstance(value, str):
        return Path(value)
    if type(value) is not type(known[name]):
        raise BadParameter(name, f"it must be a {type(known[name]).__name__}")
    return value
