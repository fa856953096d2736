"""The agent's settings: ``agent.toml`` in the state directory, each value checked."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from tegar.agent.fetch import DENIED
from tegar.kernel.errors import BadParameter

DEFAULT_STATE = Path("/var/lib/tegar")


@dataclass(frozen=True)
class Config:
    """How an agent runs.  Zero and empty mean: find out from the machine."""

    state_dir: Path
    name: str = ""
    address: str = "127.0.0.1"  # where servers and other hosts reach this one; also for migrations
    listen: str = ""  # empty: ``address``
    port: int = 8250
    cpus: int = 0
    cpu_mhz: int = 0
    memory_bytes: int = 0
    accel: str = ""  # ``kvm`` or ``tcg``
    cpu_model: str = ""  # empty: host-model under KVM, Nehalem under TCG
    cpu_shares: bool = True  # off where QEMU runs outside of control groups
    display_address: str = ""  # where displays listen; empty: ``address``
    libvirt_uri: str = "qemu:///system"
    migration_uri: str = "qemu+tcp://{to}/system"  # qemu+tls where libvirtd has certificates
    log_dir: Path = Path("/var/log/tegar")
    mount_dir: Path = Path("/var/lib/tegar/mnt")  # the same on all hosts, or disks cannot migrate
    scratch_dir: Path = field(default=Path())  # empty: ``state_dir/scratch``
    fetch_denied: tuple[str, ...] = DENIED
    threads: int = 64
    run_dir: Path = Path("/run/tegar")  # memory that dies with the boot, the same on all hosts
    watchdog: str = ""  # ``/dev/watchdog``, ``lab:PATH`` or ``ipmi``; empty: none, so no lease is held here
    timing: dict[str, float] = field(
        default_factory=dict
    )  # numbers of this host's watchdog, such as ``stages``

    @property
    def tls(self) -> Path:
        """Return where key and certificates are."""
        return self.state_dir / "tls"

    @property
    def scratch(self) -> Path:
        """Return where images land before they are looked at."""
        return self.state_dir / "scratch" if self.scratch_dir == Path() else self.scratch_dir


def load(state_dir: Path) -> Config:
    """Return the settings in ``agent.toml``, or the defaults when there is none.

    Raises:
        BadParameter: an unknown name or a value of the wrong type.
    """
    file = state_dir / "agent.toml"
    values: dict[str, object] = tomllib.loads(file.read_text()) if file.exists() else {}
    known = {f.name: _default(f) for f in fields(Config) if f.name != "state_dir"}
    given: dict[str, object] = {"state_dir": state_dir}
    for name, value in values.items():
        if name not in known:
            raise BadParameter(name, f"agent.toml knows {', '.join(sorted(known))}")
        given[name] = _typed(name, value, known[name])
    return Config(**given)  # type: ignore[arg-type]


def _default(it: Field[Any]) -> object:
    return it.default if it.default_factory is MISSING else it.default_factory()


def _typed(name: str, value: object, like: object) -> object:
    """Return a value as the type of its default."""
    if isinstance(like, Path) and isinstance(value, str):
        return Path(value)
    if isinstance(like, tuple) and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(like, dict) and isinstance(value, dict):
        return {str(k): _number(f"{name}.{k}", v) for k, v in value.items()}
    if type(value) is not type(like):
        raise BadParameter(name, f"it must be a {type(like).__name__}")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadParameter(name, "it must be a number")
    return float(value)
