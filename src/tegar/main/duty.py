"""What this server is on duty for: its row says so, and it is looked at every half second.

The row is the only way in which servers speak to each other: whoever is asked to take a server
out of service writes it, and that server sees it at its next look.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from sqlalchemy.orm import Session

from tegar import __version__
from tegar.kernel import log
from tegar.kernel.clock import Clock
from tegar.kernel.db import Db, by_uuid, fire
from tegar.kernel.errors import TegarError
from tegar.main.config import ServerConfig
from tegar.model.server import LEAVING, SERVER, Event, State
from tegar.store import servers
from tegar.store.servers import About, Server

UUID_FILE = "server.uuid"


class Worker(Protocol):
    """What a server that leaves must not take up: sagas, and the leases of leaders."""

    def rest(self) -> None:
        """Take up nothing more and give up leases."""
        ...

    def work(self) -> None:
        """Take up work again."""
        ...


@dataclass(frozen=True)
class Sight:
    """What one look saw; ``owned`` counts the sagas under way here."""

    state: State | None
    run: str
    owned: int
    silent: tuple[int, ...]


class Duty:
    """One server's row, obeyed."""

    def __init__(
        self, db: Db, clock: Clock, about: About, run: Callable[[], str], workers: Sequence[Worker],
        end: Callable[[], None],
    ) -> None:  # fmt: skip
        """Know who we are; nothing is written before ``enter``.

        Args:
            db: the database.
            clock: time.
            about: this server.
            run: the name of this process among the owners of sagas, as it is now.
            workers: what rests while this server leaves.
            end: ends the process, once it was told to and nothing is left to do.
        """
        self._db, self._clock, self._about, self._run = db, clock, about, run
        self._workers, self._end = workers, end
        self._log = log.get("duty")
        self._state, self._left = State.UP, False

    @property
    def leaving(self) -> bool:
        """Whether this server is being taken out of service."""
        return self._state in LEAVING

    def why_not(self) -> list[str]:
        """Return why this server should get no requests, as far as its duty goes."""
        return [f"this server is {self._state.value}"] if self.leaving else []

    def enter(self) -> None:
        """Be Up, whatever the row of the process before us says."""
        self._db.tx(self._begin)
        self._obey(State.UP)

    def leave(self) -> None:
        """Be Down, so that nobody waits for our beat to end."""
        self._left = True
        try:
            self._db.tx(self._stopped)
        except TegarError as e:
            self._log.warning("could not say that this server ends", error=str(e))

    def look(self) -> None:
        """Obey our row, and write down which others fell silent."""
        if self._left:
            return
        seen = self._db.read(self._see)
        if seen.state in (None, State.DOWN):  # removed, or taken for dead and awake again
            self._db.tx(self._begin)
            seen = Sight(State.UP, seen.run, seen.owned, seen.silent)
        elif seen.run != self._run():
            self._db.tx(lambda s: servers.present(s, self._about, self._run(), self._clock.now_s()))
        self._obey(seen.state or State.UP)
        for server_id in seen.silent:
            self._db.tx(lambda s, server_id=server_id: self._bury(s, server_id))  # type: ignore[misc]
        if self.leaving and seen.owned == 0:
            self._idle()

    def _see(self, s: Session) -> Sight:
        row = by_uuid(s, Server, self._about.uuid)
        silent = tuple(r.id for r in servers.silent(s) if r.uuid != self._about.uuid)
        run = self._run()
        if row is None or row.removed_s is not None:
            return Sight(None, "", 0, silent)
        return Sight(row.state, row.run, servers.owned(s, [run]).get(run, 0), silent)

    def _begin(self, s: Session) -> None:
        fire(s, servers.present(s, self._about, self._run(), self._clock.now_s()), Event.START)

    def _stopped(self, s: Session) -> None:
        row = by_uuid(s, Server, self._about.uuid)
        if row is not None and row.run == self._run() and SERVER.can(row.state, Event.ENDED):
            row.stopped_s = self._clock.now_s()
            fire(s, row, Event.ENDED)

    def _bury(self, s: Session, server_id: int) -> None:
        row = s.get_one(Server, server_id)
        if server_id in {r.id for r in servers.silent(s)}:
            row.stopped_s = self._clock.now_s()
            fire(s, row, Event.ENDED)
            self._log.warning("server fell silent", server=row.name)

    def _obey(self, state: State) -> None:
        if (state in LEAVING) != self.leaving:
            self._log.info("leaving" if state in LEAVING else "on duty", server=self._about.name, state=state)
        self._state = state
        for worker in self._workers:
            if self.leaving:
                worker.rest()
            else:
                worker.work()

    def _idle(self) -> None:
        """Nothing of ours is under way: say so, or end if that was wanted."""
        if self._state == State.SHUTTING_DOWN:
            self._log.info("nothing is left to do; ending", server=self._about.name)
            self._end()
        elif self._state == State.PREPARING:
            self._db.tx(self._drained)

    def _drained(self, s: Session) -> None:
        row = by_uuid(s, Server, self._about.uuid)
        if row is not None and SERVER.can(row.state, Event.DRAINED):
            fire(s, row, Event.DRAINED)


def about(config: ServerConfig) -> About:
    """Return what this server tells of itself; its uuid stays in the state directory."""
    file = config.state_dir / UUID_FILE
    if not file.exists():
        file.write_text(f"{uuid4()}\n")
    reached = [
        a for a in (config.listen, config.agent_listen, config.address) if a and not a.startswith("0.")
    ]
    return About(
        uuid=file.read_text().strip(),
        name=config.shown_name,
        address=(reached or [config.shown_name])[0],
        version=__version__,
        os=_os(),
        kernel=platform.release()[:100],
        boot_s=_boot_s(),
    )


def _os() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")[:100]
    except OSError:
        return "Linux"


def _boot_s() -> float:
    words = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    return float(next((w[1] for w in words if w[:1] == ["btime"]), 0.0))
