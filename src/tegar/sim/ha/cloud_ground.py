"""What all simulated clouds begin with: a database with a zone of guarded hosts, made once by a process."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.clock import Clock, ManualClock
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.kernel.wire import Links
from tegar.ops.bootstrap import bootstrap
from tegar.sim.links import SimLinks
from tegar.sim.world import World
from tegar.sim.zone import Built, build_zone
from tegar.store.hosts import Host as HostRow
from tegar.store.leases import HostLease, Witness
from tegar.store.schema import METADATA

KEY = b"key of simulated clouds, 32 byte"
WITNESSES = ("w1", "w2", "w3")


@dataclass
class Ground:
    """What a zone is built on."""

    db: Db
    world: World
    clock: Clock
    links: Links


BUILT: dict[int, Built] = {}


def uuid_of(kind: str, number: int) -> str:
    """Return a uuid that is the same in every run, for it decides the order of things."""
    return (
        f"{kind:0<8.8}".replace("h", "a")
        .replace("o", "0")
        .replace("s", "5")
        .replace("t", "7")
        .replace("v", "b")
        .replace("m", "c")
        + f"-0000-4000-8000-{number:012d}"
    )


def fast_folder() -> str | None:
    """Return a folder in memory, None where there is none."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


@cache
def template(hosts: int) -> Path:
    """Return a database with a zone of so many guarded hosts; made once by a process."""
    path = Path(tempfile.mkdtemp(prefix="tegar-sim-")) / "template.db"
    clock = ManualClock()
    db = Db(f"sqlite:///{path}", clock, pool_size=2)
    METADATA.create_all(db.engine)
    db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="simulated"))  # noqa: S106
    world = World(hosts, clock=clock)
    BUILT[hosts] = build_zone(Ground(db, world, clock, SimLinks(world)), hosts)

    def guarded(s: Session) -> None:
        for row in s.scalars(select(HostRow).order_by(HostRow.id)):
            row.uuid = uuid_of("host", row.id)
            s.add(HostLease(host_id=row.id, since_s=clock.now_s()))
        for name in WITNESSES:
            s.add(Witness(name=name, address=name, port=1))

    db.tx(guarded)
    db.close()
    return path
