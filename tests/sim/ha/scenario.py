"""Scenarios that operators can read: a script of faults, a line of dashes, the log that is expected.

``python tests/sim/ha/scenario.py FILE…`` writes the log that came beside the script, to be read and kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tegar.model.timing import DEFAULT, FAST
from tegar.sim.ha.chaos import TWO_STAGE, ambush_host, ambush_server, fail_over
from tegar.sim.ha.world import Parts, Plan, World

TIMINGS = {"default": DEFAULT, "fast": FAST, "two-stage": TWO_STAGE}
LINE = "-" * 20
FOLDER = Path(__file__).parent / "scenarios"


def read(path: Path) -> tuple[str, list[str]]:
    """Return the script and the expected log."""
    script, _, log = path.read_text().partition(LINE + "\n")
    return script, log.splitlines()


def play(script: str, parts: Parts | None = None) -> World:
    """Run a script to its end and return the world."""
    words = [line.split() for line in script.splitlines() if line.strip() and not line.startswith("#")]
    options = {line[0]: line[1:] for line in words if line[0] != "at"}
    hosts = tuple(TIMINGS[kind] for kind in options.get("hosts", ["default"] * 3))
    plan = Plan(
        hosts=hosts,
        bmcs=tuple(options.get("bmcs", ["none"] * len(hosts))),  # type: ignore[arg-type]
        witnesses=int(options.get("witnesses", ["3"])[0]),
        vms=int(options.get("vms", ["1"])[0]),
        servers=int(options.get("servers", ["1"])[0]),
        boot_s=float(options.get("boot", ["6"])[0]),
        move_s=float(options.get("move", ["1.5"])[0]),
        parts=parts or Parts(),
    )
    world = World(int(options.get("seed", ["1"])[0]), plan)
    for at in (line for line in words if line[0] == "at"):
        world.engine.at(float(at[1]), lambda at=at: _do(world, at[2], at[3:]))  # type: ignore[misc]
    world.run(float(options["end"][0]))
    return world


def tale(world: World) -> list[str]:
    """Return the story, to a tenth of a second."""
    return [f"{float(line[:8]):6.1f}{line[8:]}" for line in world.engine.story]


def _do(world: World, what: str, words: list[str]) -> None:
    everybody = [*world.hosts, *world.witnesses, *world.servers]
    host = world.hosts.get(words[0]) if words else None
    if what in ("cut", "join"):
        some, others = " ".join(words).split(" from ")
        names = others.split() if others != "all" else everybody
        world.engine.say(f"-- {what} {' '.join(words)}")
        (world.net.part if what == "cut" else world.net.join)(
            some.split() if some != "all" else everybody, names
        )
    elif what == "cut-way":
        some, others = " ".join(words).split(" to ")
        world.engine.say(f"-- what {some} send to {others} is lost")
        world.net.part(some.split(), others.split(), one_way=True)
    elif what == "power-off" and host:
        host.power_off("power lost")
    elif what == "power-on" and host:
        world.engine.say(f"{host.name}: power on")
        host.power_on()
    elif what == "crash":
        world.engine.say(f"-- {' '.join(words)} crash")
        for name in words:
            world.witnesses[name].crash()
    elif what == "start":
        world.engine.say(f"-- {' '.join(words)} start, knowing nothing")
        for name in words:
            world.witnesses[name].start()
    elif what == "server-dies":
        world.engine.say(f"{words[0]}: dies")
        world.servers[words[0]].dead = True
    elif what == "server-comes":
        world.engine.say(f"{words[0]}: begins anew")
        world.restart_server(words[0])
    elif what == "stop-server":
        world.servers[words[0]].suspend(float(words[1]))
    elif what == "ambush-server":  # m proven|ripe|granted|moved kill|stop SECONDS
        ambush_server(world, world.servers[words[0]], words[1], float(words[3]), kills=words[2] == "kill")
    elif what == "database-away":
        world.engine.say(f"the database is away for {words[0]} s")
        world.sql.away_until_s = world.engine.now_s + float(words[0])
    elif what == "database-cut":
        world.engine.say(f"{words[0]}: cut from the database for {words[1]} s")
        world.sql.unheard.add(world.servers[words[0]].uuid)
        world.engine.after(float(words[1]), world.sql.unheard.discard, world.servers[words[0]].uuid)
    elif what == "database-fails-over":
        fail_over(world, float(words[0]))
    elif what in ("arm", "disarm"):
        world.arm(armed=what == "arm")
    elif what == "migrate":
        world.migrate(words[0], words[1] if len(words) > 1 else "")
    elif what == "end-guest":
        copy = world.writers.get(words[0])
        if copy is not None:
            copy.host.hands.end(copy.vm)
    elif what == "bmc" and host:
        world.engine.say(f"-- the BMC of {host.name} {words[1]}")
        host.bmc = words[1]  # type: ignore[assignment]
    elif what == "ambush-warden" and host:
        ambush_host(world, host, float(words[1]), cut_s=float(words[2]))
    elif what == "delay":
        world.engine.say(f"-- datagrams take up to {words[0]} s")
        world.net.delay_s = float(words[0])
    elif what == "double":
        world.engine.say(f"-- {words[0]} of all datagrams are heard twice")
        world.net.double = float(words[0])
    elif what == "stop-warden" and host:
        host.warden.suspend(float(words[1]))
    elif what == "stop-hands" and host:
        host.hands.suspend(float(words[1]))
    elif what == "restart-warden" and host:
        host.restart_warden()
    elif what == "restart-hands" and host:
        host.restart_hands()
    elif what == "stall" and host:
        host.stall(float(words[1]))
    elif what == "ambush" and host:
        ambush_host(world, host, 0.001)
    elif what == "drain" and host:
        host.drain_s = float(words[1])
    elif what == "lose":
        world.engine.say(f"-- {words[0]} of all datagrams are lost")
        world.net.loss = float(words[0])
    else:
        raise ValueError(f"no such thing in a scenario: {what} {words}")


def main(paths: list[str]) -> None:
    """Write the logs beside the scripts."""
    for path in map(Path, paths):
        script, _ = read(path)
        path.write_text(f"{script}{LINE}\n" + "\n".join(tale(play(script))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
