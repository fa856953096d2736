"""Orders to a simulated world and its whole state, as plain data for tests in other processes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tegar.sim.page import NotAnswering, page, picture
from tegar.sim.world import World

SWITCHES = {"connected": bool, "slow_s": float, "disk_full": bool, "storage_away": bool}
ORDERS = {"host", "set", "refuse", "lose", "power", "forget", "times", "die", "deaf", "cut", "hold_warden_s"}


def control(world: World, orders: dict[str, Any]) -> None:
    """Obey.

    ``{"host": "h1", "set": {"connected": false, "slow_s": 2}}``, ``{"host": "h1", "refuse": {"StartDomain": 2}}``,
    ``{"host": "h1", "lose": {"*": 1}}``, ``{"host": "h1", "power": "off"}`` (or ``on``),
    ``{"host": "h1", "forget": "routers"}``, ``{"times": {"migrate_s": 1.5}}``, ``{"die": "<vm uuid>"}``,
    ``{"deaf": "<vm uuid>"}``, ``{"host": "h1", "cut": ["w1"]}`` (from these witnesses; ``["*"]`` from all, ``[]`` from
    none), ``{"host": "h1", "hold_warden_s": 3}`` (as if its process were stopped); several in one record are obeyed together.

    Raises:
        KeyError: an order that is not known.
        Unreachable: an unknown host.
    """
    unknown = set(orders) - ORDERS
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    if "host" in orders:
        _host(world, orders)
    for name, seconds in orders.get("times", {}).items():
        if name not in asdict(world.times):
            raise KeyError(name)
        setattr(world.times, name, float(seconds))
    if "die" in orders:
        world.die(orders["die"])
    if "deaf" in orders:
        with world.lock:
            for name in world.where(orders["deaf"]):
                world.machines[name].guests[orders["deaf"]].deaf = True


def _host(world: World, orders: dict[str, Any]) -> None:
    name = orders["host"]
    with world.lock:
        faults = world.faults(name)
        for switch, value in orders.get("set", {}).items():
            setattr(faults, switch, SWITCHES[switch](value))
        faults.refuse |= {k: int(v) for k, v in orders.get("refuse", {}).items()}
        faults.lose |= {k: int(v) for k, v in orders.get("lose", {}).items()}
        if "cut" in orders:
            faults.cut = frozenset(map(str, orders["cut"]))
        if "hold_warden_s" in orders:
            faults.warden_held_until_s = world.clock.mono_s() + float(orders["hold_warden_s"])
        if orders.get("forget") == "routers":
            world.forget_routers(name)
        if orders.get("power") == "off":
            world.power_off(name)
        elif orders.get("power") == "on":
            world.power_on(name)


def state(world: World) -> dict[str, Any]:
    """Return the picture of the world, what went wrong in it, and the pages of its guests."""
    with world.lock:
        running = sorted({guest.spec.uuid for _, guest in world.guests()})
        return {
            **picture(world),
            "violations": list(world.violations),
            "pages": {uuid: _page(world, uuid) for uuid in running},
            "machines": {h.name: {"powered": h.powered, "boot": h.boot} for h in world.machines.values()},
        }


def _page(world: World, uuid: str) -> dict[str, Any]:
    try:
        return asdict(page(world, uuid))
    except NotAnswering as e:
        return {"error": str(e)}
