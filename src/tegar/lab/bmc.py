"""BMCs of lab hosts: processes of this machine, outside of the hosts, that live on when a host has no power.

They listen on the machine's own address of the management network, each at a port of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tegar.kernel.secret import token
from tegar.lab.account import Account
from tegar.lab.command import run
from tegar.lab.errors import LabError
from tegar.lab.topology import BMC_PORT, Topology
from tegar.lab.wait import process_end, until

READY_PATIENCE_S = 30
_DRIVERS = {"ipmi": "ipmitool", "redfish": "redfish"}


@dataclass(frozen=True)
class LabBmc:
    """The BMC of one host.

    Attributes:
        topology: the lab.
        number: of its host, counted from 1.
    """

    topology: Topology
    number: int

    @property
    def name(self) -> str:
        """Its host's name."""
        return f"h{self.number}"

    @property
    def home(self) -> Path:
        """Where it keeps its account and its certificate."""
        return self.topology.bmc_dir(self.name)

    @property
    def address(self) -> str:
        """Where it listens: the machine's own address."""
        return self.topology.mgmt_gateway

    @property
    def port(self) -> int:
        """UDP for IPMI, TCP for Redfish."""
        return BMC_PORT + self.number

    @property
    def driver(self) -> str:
        """What Tegar calls its kind."""
        return _DRIVERS[self.topology.bmc]

    @property
    def given_address(self) -> str:
        """The address for ``configureOutOfBandManagement``; of Redfish with the certificate pinned."""
        if self.topology.bmc != "redfish":
            return self.address
        certificate = x509.load_pem_x509_certificate((self.home / "bmc.crt").read_bytes())
        return f"{self.address}#sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"

    def lives(self) -> bool:
        """Return whether it runs."""
        return bool(pids(self.topology, self.name))

    def light(self) -> None:
        """Start it, unless it runs, and return when it listens.

        Raises:
            LabError: it does not; bmc.log beside its files says why.
        """
        prepare(self.home, self.address)
        if not self.lives():
            module = f"tegar.lab.{self.topology.bmc}_bmc"
            words = [
                "setsid",
                "--fork",
                sys.executable,
                "-m",
                module,
                str(self.topology.state_dir.absolute()),
                self.name,
            ]
            with (self.home / "bmc.log").open("a") as log:
                subprocess.run(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=20
                )
        until(self._listens, f"the BMC of {self.name} (see {self.home}/bmc.log)", READY_PATIENCE_S)

    def darken(self) -> None:
        """Take its power away too: nobody answers for the host any more, until ``light``."""
        darken(self.topology, self.name)

    def _listens(self) -> bool:
        if self.topology.bmc == "redfish":
            with socket.socket() as s:
                s.settimeout(1)
                return s.connect_ex((self.address, self.port)) == 0
        told = run(["ss", "-Hlun", f"sport = :{self.port}"]).stdout
        return f"{self.address}:{self.port}" in told


def pids(topology: Topology, name: str = "") -> list[int]:
    """Return the processes of a lab's BMCs, or of one."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        mine = len(words) > 4 and words[-3].startswith("tegar.lab.") and words[-3].endswith("_bmc")
        if mine and words[-2] == str(topology.state_dir.absolute()) and name in ("", words[-1]):
            found.append(int(entry))
    return found


def darken(topology: Topology, name: str = "") -> None:
    """End a lab's BMCs, or one of them; those that do not run are no error.

    Raises:
        LabError: one does not end.
    """
    for pid in pids(topology, name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        if not process_end(pid, 20):
            raise LabError(f"the BMC process {pid} does not end")


def prepare(home: Path, address: str) -> None:
    """Make a BMC's account and its certificate; what is there stays."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "account.json").exists():
        Account(home / "account.json").change(token(12))
    if not (home / "bmc.crt").exists():
        _certify(home, address)


def _certify(home: Path, address: str) -> None:
    """Make a certificate that nobody vouches for, as most BMCs come with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(home / "bmc.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(private)
    (home / "bmc.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
