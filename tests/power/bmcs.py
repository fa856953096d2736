"""Real BMC programs wired to a host that is a variable."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from support.until import until
from tegar.driver.power.ipmi import Ipmitool
from tegar.driver.power.port import PowerDriver
from tegar.driver.power.redfish import Redfish
from tegar.kernel.secret import Secret
from tegar.lab.account import USERNAME, Account
from tegar.lab.bmc import prepare
from tegar.lab.ipmi_bmc import IpmiBmc
from tegar.lab.redfish_bmc import RedfishBmc
from tegar.model.power import BmcSpec, Power

ADDRESS = "127.0.0.1"
PASSWORD = "correct-horse-7"


@dataclass
class Wires:
    """A host that is on or off; ``lies``: its BMC says yes and does nothing."""

    lit: bool = True
    lies: bool = False
    orders: list[str] = field(default_factory=list)

    def powered(self) -> bool:
        return self.lit

    def on(self) -> None:
        self.orders.append("on")
        self.lit = self.lit or not self.lies

    def off(self) -> None:
        self.orders.append("off")
        self.lit = self.lit and self.lies


@dataclass
class Bench:
    """A driver, a BMC it speaks to, and the host behind it."""

    driver: PowerDriver
    spec: BmcSpec
    wires: Wires
    account: Account


def udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((ADDRESS, 0))
        return int(s.getsockname()[1])


@contextmanager
def ipmi(home: Path) -> Iterator[Bench]:
    prepare(home, ADDRESS)
    account, wires, port = Account(home / "account.json"), Wires(), udp_port()
    account.change(PASSWORD)
    bmc = IpmiBmc(home, ADDRESS, port, wires)
    ended, end = os.pipe()

    def run() -> None:
        bmc.start()
        bmc.serve(ended)
        bmc.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        driver = Ipmitool()
        spec = BmcSpec(ADDRESS, port, USERNAME, Secret(PASSWORD))
        until(lambda: answers(driver, spec), "ipmi_sim answers")
        yield Bench(driver, spec, wires, account)
    finally:
        os.write(end, b".")
        thread.join()
        os.close(end)
        os.close(ended)


@contextmanager
def redfish(home: Path) -> Iterator[Bench]:
    prepare(home, ADDRESS)
    account, wires = Account(home / "account.json"), Wires()
    account.change(PASSWORD)
    bmc = RedfishBmc(home, ADDRESS, 0, wires)
    bmc.start()
    try:
        yield Bench(
            Redfish(), BmcSpec(ADDRESS, bmc.port, USERNAME, Secret(PASSWORD), pin(home)), wires, account
        )
    finally:
        bmc.stop()


def pin(home: Path) -> str:
    certificate = x509.load_pem_x509_certificate((home / "bmc.crt").read_bytes())
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def answers(driver: PowerDriver, spec: BmcSpec) -> bool:
    try:
        return driver.read(spec, within_s=2) is Power.ON
    except Exception:
        return False


KINDS: dict[str, Any] = {"ipmitool": ipmi, "redfish": redfish}
