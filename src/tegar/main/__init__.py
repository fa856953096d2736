"""The composition root: builds the world and runs the roles."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tegar.kernel import log

SWITCH_S = 0.0005
"""How long a thread that computes keeps the others waiting.

A thread gives way around each SQL statement and each packet, and waits so long at most to go on.  With the
interpreter's 5 ms a hundred short statements of one saga take half a second while another computes.
"""

USAGE = """usage: tegar COMMAND [options]

  server        a management server: API, sagas, loops
  db upgrade    bring the database to this version's schema
  host token    print a token with which one host can join
  host join     make this machine a host of the cloud (run on the host)
  agent         answer the cloud's servers (run on a host that joined)
  ha witness    name a witness and print its configuration (run on a server)
  ha check      look at everything that a failover stands on (run on a server)
  warden        keep this host's lease and its watchdog (run on the host, beside the agent)
  witness       keep the leases of hosts, in memory (three or five machines: docs/ha.md)
  sim           simulated hosts
  up, down      a whole cloud on this machine, and its end
  bench NAME    measure; --json prints one object on the last line
  drill NAME    hurt a cloud of its own and measure how it heals; the same
  drill live NAME  try a cloud that runs, with what hurts nobody; writes a report
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    for size in (2, 1):
        role = _roles().get(" ".join(words[:size]))
        if role is not None and len(words) >= size:
            log.set_up()
            return role(words[size:])
    print(USAGE, file=sys.stderr)
    return 0 if words in (["--help"], ["-h"], ["help"]) else 2


def _roles() -> dict[str, Callable[[Sequence[str]], int]]:
    """Return the roles; each is imported when it runs, so that a host needs no SQL and a server no libvirt."""
    return {
        "server": _server,
        "db upgrade": _upgrade,
        "host token": _token,
        "host join": _join,
        "agent": _agent,
        "ha witness": _ha_witness,
        "ha check": _ha_check,
        "warden": _warden,
        "witness": _witness,
        "sim": _sim,
        "up": _up,
        "down": _down,
        "bench": _bench,
        "drill": _drill,
        "drill live": _drill_live,
    }


def _server(argv: Sequence[str]) -> int:
    sys.setswitchinterval(SWITCH_S)
    with _loading():
        from tegar.main.server import main_server
    return main_server(argv)


@contextmanager
def _loading() -> Iterator[None]:
    """Load modules, which are not garbage: looking through them meanwhile costs a sixth of the start."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _upgrade(argv: Sequence[str]) -> int:
    from tegar.main.schema import main_upgrade

    return main_upgrade(argv)


def _token(argv: Sequence[str]) -> int:
    from tegar.main.server import main_token

    return main_token(argv)


def _join(argv: Sequence[str]) -> int:
    from tegar.agent.join import main_join

    return main_join(argv)


def _agent(argv: Sequence[str]) -> int:
    with _loading():
        from tegar.agent.serve import main_agent
    return main_agent(argv)


def _ha_witness(argv: Sequence[str]) -> int:
    from tegar.main.ha import main_witness

    return main_witness(argv)


def _ha_check(argv: Sequence[str]) -> int:
    from tegar.main.ha_check import main_check

    return main_check(argv)


def _warden(argv: Sequence[str]) -> int:
    from tegar.guard.warden_shell import main_warden

    return main_warden(argv)


def _witness(argv: Sequence[str]) -> int:
    from tegar.guard.witness_shell import main_witness

    return main_witness(argv)


def _sim(argv: Sequence[str]) -> int:
    sys.setswitchinterval(SWITCH_S)
    from tegar.sim.http import main_sim

    return main_sim(argv)


def _up(argv: Sequence[str]) -> int:
    from tegar.main.up import main_up

    return main_up(argv)


def _down(argv: Sequence[str]) -> int:
    from tegar.main.down import main_down

    return main_down(argv)


def _bench(argv: Sequence[str]) -> int:
    from tegar.main.bench import main_bench

    return main_bench(argv)


def _drill(argv: Sequence[str]) -> int:
    from tegar.main.drill import main_drill

    return main_drill(argv)


def _drill_live(argv: Sequence[str]) -> int:
    from tegar.main.live import main_live

    return main_live(argv)
