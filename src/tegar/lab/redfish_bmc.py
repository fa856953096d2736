"""A BMC that speaks Redfish: the emulator of sushy-tools, with its systems driver wired to a host.

    python -m tegar.lab.redfish_bmc STATE_DIR h1

The emulator chooses among drivers of its own; ours takes the place of its ``fake`` one.  It has no
accounts, so the account and the check of its password are ours.  TLS with a certificate that nobody
vouches for, as BMCs have.
"""

from __future__ import annotations

import base64
import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import flask
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver
from werkzeug.serving import BaseWSGIServer, make_server

from tegar.kernel.secret import same
from tegar.lab.account import USERNAME, Account
from tegar.lab.chassis import Chassis, LabChassis, order
from tegar.lab.cloud import attach

_ORDERS = {
    "On": "on", "ForceOn": "on", "ForceOff": "off", "ForceRestart": "reset", "GracefulShutdown": "soft",
    "GracefulRestart": "reset",
}  # fmt: skip
_ACCOUNTS = "/redfish/v1/AccountService/Accounts"


class OneSystem(AbstractSystemsDriver):  # type: ignore[misc]
    """The emulator's view of the one host."""

    chassis: Chassis
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, "tegar-lab-system"))

    @classmethod
    def initialize(cls, config: Any, logger: Any, *_: Any, **__: Any) -> type[OneSystem]:
        """Take the emulator's settings."""
        cls._config, cls._logger = config, logger
        return cls

    @property
    def driver(self) -> str:
        """Its name."""
        return "<lab>"

    @property
    def systems(self) -> list[str]:
        """The one."""
        return [self.identity]

    def uuid(self, identity: str) -> str:
        """Return its identity; there is no other."""
        if identity != self.identity:
            raise error.NotFound(f"{identity} is not here")
        return identity

    def name(self, identity: str) -> str:
        """Return its name."""
        return self.uuid(identity)

    def get_power_state(self, identity: str) -> str:
        """Read the wire."""
        return "On" if self.chassis.powered() else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        """Pull the wire."""
        if state not in _ORDERS:
            raise error.NotSupportedError(f"{state} is not offered")
        order(self.chassis, _ORDERS[state])

    def get_boot_device(self, identity: str) -> str:
        """Return what the emulator wants to know of every system."""
        return "Hdd"

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        """Refuse; a lab host has nothing to boot from."""
        raise error.NotSupportedError("the boot device is fixed")


class RedfishBmc:
    """The emulator, served; one in a process, for the emulator has one application."""

    def __init__(self, home: Path, address: str, port: int, chassis: Chassis) -> None:
        """Listen; nothing is answered yet."""
        self._account = Account(home / "account.json")
        OneSystem.chassis = chassis
        fakedriver.FakeDriver = OneSystem
        emulator.app.configure(
            extra_config={
                "SUSHY_EMULATOR_FAKE_DRIVER": True,
                "SUSHY_EMULATOR_STATE_DIR": str(home),
                "SUSHY_EMULATOR_FEATURE_SET": "minimum",
            }
        )
        if "accounts" not in emulator.app.view_functions:
            emulator.app.add_url_rule(_ACCOUNTS, "accounts", self._accounts)
            emulator.app.add_url_rule(f"{_ACCOUNTS}/1", "account", self._one, methods=["GET", "PATCH"])
        tls = (str(home / "bmc.crt"), str(home / "bmc.key"))
        self._server: BaseWSGIServer = make_server(
            address, port, self._guarded, threaded=True, ssl_context=tls
        )
        self.port = self._server.port

    def serve(self) -> None:
        """Answer for ever, or until ``stop``."""
        self._server.serve_forever()

    def start(self) -> None:
        """Answer in a thread."""
        threading.Thread(target=self.serve, name="redfish", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _guarded(self, env: dict[str, Any], answer: Callable[..., Any]) -> Iterable[bytes]:
        """Let nobody in without the password."""
        kind, _, given = env.get("HTTP_AUTHORIZATION", "").partition(" ")
        wanted = base64.b64encode(f"{USERNAME}:{self._account.password}".encode()).decode()
        if kind.lower() != "basic" or not same(given, wanted):
            answer("401 UNAUTHORIZED", [("Content-Type", "application/json"), ("WWW-Authenticate", "Basic")])
            return [b"{}"]
        found: Iterable[bytes] = emulator.app.wsgi_app(env, answer)
        return found

    def _accounts(self) -> Any:
        return flask.jsonify({"Members": [{"@odata.id": f"{_ACCOUNTS}/1"}], "Members@odata.count": 1})

    def _one(self) -> Any:
        if flask.request.method == "PATCH":
            self._account.change(str(flask.request.get_json()["Password"]))
            return "", 204
        return flask.jsonify({"Id": "1", "UserName": USERNAME, "Password": None, "RoleId": "Administrator"})


def main(argv: Sequence[str]) -> None:
    """Be the BMC of the host that the last word names."""
    state_dir, name = argv
    lab = attach(Path(state_dir))
    assert lab is not None, f"there is no lab in {state_dir}"
    bmc = lab.bmcs[name]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.umask(0o077)
    RedfishBmc(bmc.home, bmc.address, bmc.port, LabChassis(lab.hosts[name])).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
