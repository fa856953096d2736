"""A BMC that speaks IPMI: OpenIPMI's ``ipmi_sim``, with its chassis control wired to a host.

    python -m tegar.lab.ipmi_bmc STATE_DIR h1

``ipmi_sim`` asks a small program for each reading and order; the program passes it on to this
process by a socket, so a reading costs milliseconds.  A password that was changed is believed by
``ipmi_sim`` at once and written down at its next beat, once a second: as with many a BMC, what was
changed less than a second before the dark is forgotten.  It dies with this process.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tegar.lab.account import USERNAME, Account
from tegar.lab.bmc import LabBmc
from tegar.lab.chassis import Chassis, LabChassis, order
from tegar.lab.cloud import LabHost, attach

LOOK_S = 0.2
_NAME = "bmc"
_PROGRAM = """\
#!/usr/bin/python3 -IS
import os, socket, sys
words = " ".join(sys.argv[2:])
home = os.open({home!r}, os.O_PATH | os.O_DIRECTORY)
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(20)
    s.connect(f"/proc/self/fd/{{home}}/chassis.sock")
    s.sendall(words.encode() + b"\\n")
    sys.stdout.write(s.makefile().read())
"""
_MC = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""


def lan_config(address: str, port: int, password: str, program: Path) -> str:
    """Return the configuration of ``ipmi_sim``: one account, one address, one program for the chassis."""
    ways = "\n".join(f"    allowed_auths_{who} none md5" for who in ("callback", "user", "operator", "admin"))
    return f"""\
name "{_NAME}"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
{ways}
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{program} 0x20"
  user 1 false "" "" user 10 none md5
  user 2 true "{USERNAME}" "{password}" admin 63 none md5
"""


class IpmiBmc:
    """One ``ipmi_sim`` and what it is wired to."""

    def __init__(self, home: Path, address: str, port: int, chassis: Chassis) -> None:
        """Prepare files in *home*; nothing runs yet."""
        self._home, self._address, self._port, self._chassis = home, address, port, chassis
        self._account = Account(home / "account.json")
        self._program = home / "chassis"
        self._users = home / "state" / "ipmi_sim" / _NAME / "users.mc20"
        self._users.parent.mkdir(parents=True, exist_ok=True)
        self._program.write_text(_PROGRAM.format(home=str(home)))
        self._program.chmod(0o700)
        (home / "bmc.emu").write_text(_MC)
        self._sim: subprocess.Popen[bytes] | None = None
        self._orders = self._listen()

    def _listen(self) -> socket.socket:
        path = self._home / "chassis.sock"
        path.unlink(missing_ok=True)
        orders = socket.socket(socket.AF_UNIX)
        handle = os.open(self._home, os.O_PATH | os.O_DIRECTORY)
        orders.bind(f"/proc/self/fd/{handle}/chassis.sock")  # short, however long the real path
        os.close(handle)
        orders.listen(16)
        return orders

    def start(self) -> None:
        """Start ``ipmi_sim``."""
        self._remember()  # it went dark between what it wrote and our look at it; the configuration is the truth
        config = self._home / "lan.conf"
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(lan_config(self._address, self._port, self._account.password, self._program))
        words = [
            "ipmi_sim",
            "-n",
            "-c",
            str(config),
            "-f",
            str(self._home / "bmc.emu"),
            "-s",
            str(self._home / "state"),
        ]
        self._sim = subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)

    def serve(self, until: int = -1) -> None:
        """Pass orders on until the handle *until* can be read, or for ever."""
        while True:
            watched = [self._orders.fileno(), *([until] if until >= 0 else [])]
            ready, _, _ = select.select(watched, [], [], LOOK_S)
            if until in ready:
                return
            if self._orders.fileno() in ready:
                self._answer()
            self._remember()
            if self._sim is not None and self._sim.poll() is not None:
                self.start()

    def stop(self) -> None:
        """End it."""
        if self._sim is not None:
            self._sim.kill()
            self._sim.wait()
        self._sim = None

    def close(self) -> None:
        """End it and answer no more."""
        self.stop()
        self._orders.close()

    def _answer(self) -> None:
        peer, _ = self._orders.accept()
        with peer:
            peer.settimeout(5)
            words = peer.makefile().readline().split()
            peer.sendall(self.obey(words).encode())

    def obey(self, words: Sequence[str]) -> str:
        """Answer the program: ``get power …`` or ``set power 1``, ``set reset 1``, ``set shutdown 1``."""
        match words:
            case ["get", *wanted]:
                known = {"power": str(int(self._chassis.powered())), "boot": "default"}
                return "".join(f"{name}:{known[name]}\n" for name in wanted if name in known)
            case ["set", "power", value]:
                order(self._chassis, "on" if value == "1" else "off")
            case ["set", "reset", _]:
                order(self._chassis, "reset")
            case ["set", "shutdown", _]:
                order(self._chassis, "soft")
        return ""

    def _remember(self) -> None:
        """Keep the password that was set, if ``ipmi_sim`` wrote one down since we looked."""
        taken = self._users.with_name("taken")
        try:
            self._users.replace(taken)  # what it writes while we read is found the next time
        except FileNotFoundError:
            return
        password = password_in(taken.read_text(errors="replace"))
        if password is not None and password != self._account.password:
            self._account.change(password)
        taken.unlink()


def password_in(users: str) -> str | None:
    """Return the password of account 2 in what ``ipmi_sim`` writes; None when it is not there whole."""
    line = next((one for one in users.splitlines() if one.startswith("2.passwd:d:")), "")
    raw, rest = bytearray(), line.removeprefix("2.passwd:d:")
    while rest:
        if rest[0] == "\\" and len(rest) >= 3:
            raw.append(int(rest[1:3], 16))
            rest = rest[3:]
        else:
            raw.append(ord(rest[0]))
            rest = rest[1:]
    return raw.rstrip(b"\0").decode(errors="replace") if len(raw) == 20 else None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def wired(bmc: LabBmc, host: LabHost) -> IpmiBmc:
    """Return the BMC of a lab's host."""
    return IpmiBmc(bmc.home, bmc.address, bmc.port, LabChassis(host))


def main(argv: Sequence[str]) -> None:
    """Be the BMC of the host that the last word names."""
    state_dir, name = argv
    lab = attach(Path(state_dir))
    assert lab is not None, f"there is no lab in {state_dir}"
    bmc = wired(lab.bmcs[name], lab.hosts[name])
    bmc.start()
    bmc.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
