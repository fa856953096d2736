"""Redfish: the HTTP API of newer BMCs.  Basic authentication, so no session is left behind; TLS always."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tegar.driver.power.https import Https
from tegar.driver.power.proof import must_accept
from tegar.kernel.clock import WallClock
from tegar.kernel.db import must_not_hold_tx
from tegar.kernel.errors import Unreachable
from tegar.model.errors import BmcRefused
from tegar.model.power import BmcSpec, Can, Power

ROOT = "/redfish/v1"
_RESET = "#ComputerSystem.Reset"
_READS = {
    "On": Power.ON, "Off": Power.OFF, "PoweringOn": Power.ON, "PoweringOff": Power.ON, "Paused": Power.ON,
}  # fmt: skip
_LOOK_S = 0.1
_MOST_ACCOUNTS = 64


class Redfish:
    """See ``port.PowerDriver``."""

    caps = frozenset(Can)
    longest_password = 64
    verifies_tls = True

    def read(self, bmc: BmcSpec, *, within_s: float) -> Power:
        """Read PowerState; on the way off is not off."""
        must_not_hold_tx()
        with Https(bmc, within_s) as https:
            return _power(_system(https, bmc)[1])

    def force_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Reset, type ForceOff."""
        self._order(bmc, ("ForceOff",), within_s, unless=Power.OFF)

    def on(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Reset, type On, or ForceOn where only that is offered."""
        self._order(bmc, ("On", "ForceOn"), within_s, unless=Power.ON)

    def reset(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Reset, type ForceRestart."""
        self._order(bmc, ("ForceRestart",), within_s)

    def soft_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Reset, type GracefulShutdown, or the button where only that is offered."""
        self._order(bmc, ("GracefulShutdown", "PushPowerButton"), within_s, unless=Power.OFF)

    def cycle(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Reset, type PowerCycle; where that is not offered, off, seen off, and on."""
        must_not_hold_tx()
        clock, end_s = WallClock(), time.monotonic() + within_s
        with Https(bmc, within_s) as https:
            path, system = _system(https, bmc)
            if "PowerCycle" in _offered(system):
                _reset(https, bmc, path, system, ("PowerCycle",))
                return
            if _power(system) != Power.OFF:
                _reset(https, bmc, path, system, ("ForceOff",))
            while _power(https.get(path).body) != Power.OFF:
                if time.monotonic() > end_s:
                    raise Unreachable(f"The BMC at {bmc.name}", "it did not turn the host off in time")
                clock.sleep(_LOOK_S)
            _reset(https, bmc, path, system, ("On", "ForceOn"))

    def set_password(self, bmc: BmcSpec, new: str, *, within_s: float) -> None:
        """Change the account's password, and read with the new one."""
        must_not_hold_tx()
        end_s = time.monotonic() + within_s
        with Https(bmc, within_s) as https:
            path, tag = _account(https, bmc)
            https.ask("PATCH", path, {"Password": new}, {"If-Match": tag} if tag else None)
        must_accept(self, bmc, new, end_s - time.monotonic())

    def _order(
        self, bmc: BmcSpec, types: tuple[str, ...], within_s: float, unless: Power | None = None
    ) -> None:
        must_not_hold_tx()
        with Https(bmc, within_s) as https:
            path, system = _system(https, bmc)
            if _power(system) != unless:
                _reset(https, bmc, path, system, types)


def _power(system: Mapping[str, Any]) -> Power:
    state = system.get("PowerState")
    return _READS.get(state, Power.UNKNOWN) if isinstance(state, str) else Power.UNKNOWN


def _system(https: Https, bmc: BmcSpec) -> tuple[str, Mapping[str, Any]]:
    """Return the path of the BMC's one system, and what it says of itself.

    Raises:
        BmcRefused: it has none, or several: nobody could say which is the host.
    """
    paths = _members(https.get(f"{ROOT}/Systems").body, bmc, f"{ROOT}/Systems/")
    if len(paths) != 1:
        raise BmcRefused(bmc.name, f"it manages {len(paths)} systems; one BMC for one host is supported")
    return paths[0], https.get(paths[0]).body


def _members(collection: Mapping[str, Any], bmc: BmcSpec, below: str) -> list[str]:
    """Return the paths of a collection's members; none leads anywhere else."""
    members = collection.get("Members")
    paths = (
        [m.get("@odata.id") for m in members if isinstance(m, dict)] if isinstance(members, list) else [None]
    )
    if not all(isinstance(p, str) and p.startswith(below) and ".." not in p and "?" not in p for p in paths):
        raise BmcRefused(bmc.name, "its list of members makes no sense")
    return [str(p) for p in paths]


def _action(system: Mapping[str, Any]) -> Mapping[str, Any]:
    actions = system.get("Actions")
    action = actions.get(_RESET) if isinstance(actions, dict) else None
    return action if isinstance(action, dict) else {}


def _offered(system: Mapping[str, Any]) -> list[str]:
    """Return the types of reset that the system offers; empty when it does not say."""
    found = _action(system).get("ResetType@Redfish.AllowableValues")
    return [kind for kind in found if isinstance(kind, str)] if isinstance(found, list) else []


def _reset(https: Https, bmc: BmcSpec, path: str, system: Mapping[str, Any], types: tuple[str, ...]) -> None:
    """Order the first of *types* that is offered.

    Raises:
        BmcRefused: none is.
    """
    offered = _offered(system) or list(types)
    kind = next((t for t in types if t in offered), None)
    if kind is None:
        raise BmcRefused(bmc.name, f"it offers no reset of type {' or '.join(types)}")
    target = _action(system).get("target")
    if not isinstance(target, str) or not target.startswith(path):
        target = f"{path}/Actions/ComputerSystem.Reset"
    https.ask("POST", target, {"ResetType": kind})


def _account(https: Https, bmc: BmcSpec) -> tuple[str, str]:
    """Return the path of our own account, and its tag, if it has one.

    Raises:
        BmcRefused: there is none of that name.
    """
    accounts = f"{ROOT}/AccountService/Accounts"
    for path in _members(https.get(accounts).body, bmc, f"{accounts}/")[:_MOST_ACCOUNTS]:
        found = https.get(path)
        if found.body.get("UserName") == bmc.username:
            return path, found.headers.get("etag", "")
    raise BmcRefused(bmc.name, f"it lists no account {bmc.username}")
