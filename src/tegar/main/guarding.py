"""The witnesses of a cloud on this machine, and the wait until its hosts hold leases."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.lab.cloud import Lab
from tegar.main.config import config_in
from tegar.main.ha import PORT, name_witness
from tegar.main.local import LocalError, Place, processes, service_environment, spawn, tegar, until
from tegar.store.leases import HostLease

WITNESSES = 3
LEASE_PATIENCE_S = 60.0
Say = Callable[[str], None]


def lab_witnesses(place: Place, built: Lab, say: Say) -> None:
    """Run a witness on each node that is there for one."""
    for node in built.witnesses.values():
        _tell(place, node.var_dir / "witness.json", node.name, node.ip, PORT)
        words = tegar("witness", "--config", "/var/lib/tegar/witness.json")
        node.start_service("witness", words, service_environment())
    say(f"{len(built.witnesses)} witnesses")


def local_witnesses(place: Place, say: Say) -> None:
    """Run witnesses for simulated hosts: processes of this machine."""
    for name in (f"w{i}" for i in range(1, WITNESSES + 1)):
        file = place.state / f"{name}.json"
        _tell(place, file, name, "127.0.0.1", _free_udp_port())
        if not processes(place, name):
            spawn(place, name, tegar("witness", "--config", str(file)))
    say(f"{WITNESSES} witnesses")


def _tell(place: Place, file: Path, name: str, address: str, port: int) -> None:
    """Write a witness's configuration, once, readable by its owner only."""
    if file.exists():
        return
    db, vault = Db(config_in(place.state).url), Vault.at(place.state / "vault.key")
    told = name_witness(db, vault, name, address, port)
    db.close()
    spare = file.with_suffix(".new")
    with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(told)
    spare.replace(file)


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        found: int = s.getsockname()[1]
        return found


def await_leases(place: Place, hosts: int, say: Say) -> None:
    """Wait until so many hosts hold a lease.

    Raises:
        LocalError: they do not within a minute.
    """
    db = Db(config_in(place.state).url)

    def live() -> bool:
        held = select(HostLease.host_id).where(HostLease.state == "live")
        return len(db.read(lambda s: s.scalars(held).all())) >= hosts

    try:
        if not until(live, LEASE_PATIENCE_S):
            raise LocalError(f"not every host got a lease: see {place.log('server')}")
    finally:
        db.close()
    say("every host holds a lease")
