"""A nursery of management servers that die when told to: ``python -m support.crash_server``.

It reads orders from its standard input, one JSON record per line, and forks a server for each: a
Runner on the database with links to a ``tegar sim``.  A server may send a signed request first
and may end itself by a signal at one point of one step; just before, it writes the moment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from support.cloud import KEY
from tegar.api.serve import Api, Request
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.errors import Refused
from tegar.kernel.runner import Runner
from tegar.kernel.secret import Vault
from tegar.ops.ctx import World as OpsWorld
from tegar.saga.env import Env
from tegar.saga.table import SAGAS
from tegar.sim.links import RemoteSimLinks


@dataclass(frozen=True)
class Order:
    """What a server shall do.

    ``at`` is ``[saga, step, point]`` where it sends itself ``signal``; ``fail`` is ``[saga, step]``
    that is made to fail before its work; ``note`` is the file that gets the moment.
    """

    url: str
    sim: str
    note: str
    params: dict[str, str] | None = None
    at: tuple[str, str, str] | None = None
    fail: tuple[str, str] | None = None
    signal: str = "SIGKILL"


class Doom:
    """The probe that ends its own process."""

    times = 1

    def __init__(self, order: Order) -> None:
        self._order, self._done = order, False

    def at(self, point: str, saga: str, step: str) -> None:
        """Die here, if this is the place."""
        order = self._order
        if order.at and not self._done and [saga, step, point] == list(order.at):
            self._done = True
            spare = Path(order.note + ".new")
            spare.write_text(str(time.monotonic()))
            spare.rename(order.note)
            os.kill(os.getpid(), getattr(signal, order.signal))
        if order.fail and point == "before" and [saga, step] == list(order.fail):
            raise Refused("the test wanted it so")


def serve(order: Order) -> None:
    """Be a management server."""
    log = os.open(f"{order.note}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    clock = WallClock()
    db = Db(order.url, clock)
    env = Env(db, RemoteSimLinks(order.sim), clock)
    runner = Runner(db, env, SAGAS, clock, threads=16, probe=Doom(order))
    runner.start()
    Path(order.note + ".up").write_text(runner.server_uuid)
    if order.params:
        api = Api(db, OpsWorld(clock, Vault(KEY), runner.server_uuid))
        print(api.answer(Request(order.params)), flush=True)
    threading.Event().wait()


def main() -> None:
    """Fork a server for each order, say its pid, and bury those that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead leave no zombies
    for line in sys.stdin:
        order = Order(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(order)
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
