"""IPMI 2.0 over LAN, with the program ``ipmitool``: a process for each call, so that one dead BMC holds up no other.

docs/decisions/0009-ipmitool.md says why it is not a library.  The password goes through the
environment, which only we and root can read, and a new one through standard input; never through
the words of a command, which everybody on the machine can.
"""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Sequence

from tegar.driver.power.proof import must_accept
from tegar.kernel.db import must_not_hold_tx
from tegar.kernel.errors import Unavailable, Unreachable
from tegar.model.errors import BmcRefused, WrongPassword
from tegar.model.power import BmcSpec, Can, Power

SUITES = ("17", "3")
"""Cipher suites, the better first: many older BMCs know only 3, which some newer ones switch off."""

_NO_SUITE = ("invalid authentication algorithm", "invalid integrity algorithm", "no matching cipher suite",
             "no cipher suite match", "invalid confidentiality algorithm")  # fmt: skip
_NOT_LET_IN = ("rakp 2 hmac is invalid", "unauthorized name", "rakp 3", "unauthorized role", "password")
_PRESENT_CHANNEL = "14"
_LONGEST = 65536


class Ipmitool:
    """See ``port.PowerDriver``."""

    caps = frozenset(Can)
    longest_password = 20  # of the protocol
    verifies_tls = False

    def __init__(self, program: str = "ipmitool") -> None:
        self._program = program
        self._suite: dict[str, str] = {}  # what each BMC accepted last

    def read(self, bmc: BmcSpec, *, within_s: float) -> Power:
        """Read."""
        said = self._ask(bmc, ["chassis", "power", "status"], within_s).strip().lower()
        return {"chassis power is on": Power.ON, "chassis power is off": Power.OFF}.get(said, Power.UNKNOWN)

    def force_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Power down."""
        self._ask(bmc, ["chassis", "power", "off"], within_s)

    def on(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Power up."""
        self._ask(bmc, ["chassis", "power", "on"], within_s)

    def reset(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Hard reset."""
        self._ask(bmc, ["chassis", "power", "reset"], within_s)

    def cycle(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Power cycle."""
        self._ask(bmc, ["chassis", "power", "cycle"], within_s)

    def soft_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Soft shutdown by ACPI."""
        self._ask(bmc, ["chassis", "power", "soft"], within_s)

    def set_password(self, bmc: BmcSpec, new: str, *, within_s: float) -> None:
        """Find the account's number, set the password, and read with it until the BMC has taken it."""
        end_s = time.monotonic() + within_s
        try:
            number = self._account(bmc, within_s)
        except Unreachable:  # a list is a hundred questions, and a busy BMC drops one; reading again is safe
            number = self._account(bmc, end_s - time.monotonic())
        raw = " ".join(f"0x{byte:02x}" for byte in new.encode().ljust(20, b"\0"))
        order = f"raw 0x06 0x47 0x{0x80 | number:02x} 0x02 {raw}\n"  # 0x80: a password of 20 bytes
        self._ask(bmc, ["exec", "/dev/stdin"], end_s - time.monotonic(), stdin=order)
        must_accept(self, bmc, new, end_s - time.monotonic())

    def _account(self, bmc: BmcSpec, within_s: float) -> int:
        """Return the number of the account.

        Raises:
            BmcRefused: there is none of that name.
        """
        for row in csv.reader(
            self._ask(bmc, ["-c", "user", "list", _PRESENT_CHANNEL], within_s).splitlines()
        ):
            if (
                len(row) > 1
                and row[1].strip() == bmc.username
                and row[0].isdigit()
                and 1 <= int(row[0]) <= 63
            ):
                return int(row[0])
        raise BmcRefused(bmc.name, f"it lists no account {bmc.username}")

    def _ask(self, bmc: BmcSpec, words: Sequence[str], within_s: float, stdin: str = "") -> str:
        """Run a command with the suite that this BMC accepts, and return what it printed."""
        must_not_hold_tx()
        end_s = time.monotonic() + within_s
        known = self._suite.get(bmc.name)
        for suite in [known] if known else SUITES:
            code, said, complained = self._run(bmc, suite, words, end_s - time.monotonic(), stdin)
            if code == 0:
                self._suite[bmc.name] = suite
                return said
            if not any(sign in complained for sign in _NO_SUITE):
                raise _error(bmc, complained)
            self._suite.pop(bmc.name, None)
        raise BmcRefused(bmc.name, f"it accepts no cipher suite of ours ({', '.join(SUITES)})")

    def _run(
        self, bmc: BmcSpec, suite: str, words: Sequence[str], within_s: float, stdin: str
    ) -> tuple[int, str, str]:
        argv = [self._program, "-I", "lanplus", "-H", bmc.address, "-p", str(bmc.port), "-U", bmc.username,
                "-E", "-C", suite, "-N", "1", "-R", str(max(1, int(within_s)))]  # fmt: skip
        if not stdin:
            argv.append("-v")  # or it would not say why it was not let in; with it, it prints what it sends
        env = {"PATH": os.environ.get("PATH", os.defpath), "IPMI_PASSWORD": bmc.password.reveal()}
        try:
            done = subprocess.run(
                [*argv, *words],
                input=stdin.encode(),
                env=env,
                capture_output=True,
                timeout=max(0.05, within_s),
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"The BMC at {bmc.name}", f"no answer within {within_s:.1f} s") from None
        except FileNotFoundError:
            raise Unavailable("ipmitool", "it is not installed on this management server") from None
        said, complained = (o[:_LONGEST].decode(errors="replace") for o in (done.stdout, done.stderr))
        return done.returncode, said if not stdin else "", complained.lower()


def _error(bmc: BmcSpec, complained: str) -> Exception:
    """Return what a failure means; the program's own words are never shown, for they may hold what was sent."""
    if any(sign in complained for sign in _NOT_LET_IN):
        return WrongPassword(bmc.name, bmc.username)
    if "not supported in present state" in complained:
        return BmcRefused(bmc.name, "not in its present state")
    if "invalid command" in complained or "invalid data field" in complained:
        return BmcRefused(bmc.name, "it does not know this command")
    if "insufficient privilege" in complained:
        return BmcRefused(bmc.name, f"the account {bmc.username} may not do this")
    return Unreachable(f"The BMC at {bmc.name}", "no IPMI session")
