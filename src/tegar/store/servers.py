"""Management servers: one row each, which says what it does and shall do; its beat is its lease."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, by_uuid, live
from tegar.kernel.lease import Lease
from tegar.kernel.runner import PREFIX
from tegar.kernel.saga import OPEN, SagaRow
from tegar.model.server import SERVER, State


@dataclass(frozen=True)
class About:
    """What a server tells of itself when it starts."""

    uuid: str
    name: str
    address: str
    version: str
    os: str
    kernel: str
    boot_s: float


class Server(Row):
    """A management server; its uuid stays, ``run`` is the name of its present process among the owners of sagas."""

    __tablename__ = "server"
    machine = SERVER

    name: Mapped[str] = mapped_column(String(255))
    state: Mapped[State] = mapped_column(default=SERVER.start)
    run: Mapped[str] = mapped_column(String(36))
    address: Mapped[str] = mapped_column(String(255))
    software: Mapped[str] = mapped_column(String(40))
    os: Mapped[str] = mapped_column(String(100))
    kernel: Mapped[str] = mapped_column(String(100))
    boot_s: Mapped[float]
    started_s: Mapped[float]
    stopped_s: Mapped[float | None]


def present(s: Session, about: About, run: str, now_s: float) -> Server:
    """Return the row of a server that runs, made or brought up to date; its state is left alone."""
    row = by_uuid(s, Server, about.uuid)
    if row is None:
        row = Server(uuid=about.uuid, run=run, started_s=now_s)
        s.add(row)
    if row.run != run:
        row.run, row.started_s = run, now_s
    row.name, row.address, row.software = about.name, about.address, about.version
    row.os, row.kernel, row.boot_s, row.removed_s = about.os, about.kernel, about.boot_s, None
    s.flush()
    return row


def owned(s: Session, runs: Collection[str]) -> dict[str, int]:
    """Return how many sagas under way each of these processes owns."""
    stmt = select(SagaRow.owner, func.count()).where(SagaRow.owner.in_(runs), SagaRow.state.in_(OPEN))
    return {owner: count for owner, count in s.execute(stmt.group_by(SagaRow.owner)) if owner}


def silent(s: Session) -> list[Server]:
    """Return the servers that should run and whose lease is gone: somebody saw them dead, or they ended."""
    rows = s.scalars(select(Server).where(live(Server), Server.state != State.DOWN)).all()
    held = set(s.scalars(select(Lease.name).where(Lease.name.startswith(PREFIX), Lease.holder != "")))
    return [row for row in rows if PREFIX + row.run not in held]


def led(s: Session) -> dict[str, list[str]]:
    """Return what each run of a server leads: ``ha``, ``loops``."""
    found: dict[str, list[str]] = {}
    held = select(Lease.holder, Lease.name).where(Lease.holder != "", ~Lease.name.startswith("server:"))
    for holder, name in s.execute(held.order_by(Lease.name)):
        found.setdefault(holder, []).append(name)
    return found
