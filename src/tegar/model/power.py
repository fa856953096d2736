"""Power of hosts, as their BMCs say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from tegar.kernel.errors import BadParameter
from tegar.kernel.secret import Secret


class Power(StrEnum):
    """What a BMC reads.  Only Off means that nothing can run."""

    ON = "On"
    OFF = "Off"
    UNKNOWN = "Unknown"


class Action(StrEnum):
    """What an operator can ask of a BMC."""

    ON = "ON"
    OFF = "OFF"
    CYCLE = "CYCLE"
    RESET = "RESET"
    SOFT = "SOFT"
    STATUS = "STATUS"


class Can(StrEnum):
    """What a driver can do.  What it cannot is missing from its ``caps``, never tried."""

    READ = "read"
    ON = "on"
    FORCE_OFF = "force off"
    CYCLE = "cycle"
    RESET = "reset"
    SOFT_OFF = "soft off"
    SET_PASSWORD = "set password"  # noqa: S105 - an ability


DRIVERS = ("ipmitool", "redfish")
DISABLED = "Disabled"
"""What the protocol calls the power of a host whose BMC may not be used."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+")
_TRUST = re.compile(r"sha256:[0-9a-f]{64}|ca:/[^\x00-\x1f]{1,240}")


def parse_address(text: str) -> tuple[str, str]:
    """Return the address and whom to trust in ``10.1.0.11#sha256:<hex>``; the latter may be left out.

    Raises:
        BadParameter: it is neither a name nor an IP address, or one is trusted in a way we do not know.
    """
    address, _, trust = text.strip().partition("#")
    if trust.startswith("sha256:"):
        trust = trust.replace(":", "").lower().replace("sha256", "sha256:", 1)
    if not _NAME.fullmatch(address):
        raise BadParameter("address", f"{address[:80]!r} is not a host name or an IP address")
    if trust and not _TRUST.fullmatch(trust):
        raise BadParameter(
            "address", "after # comes sha256:<64 hex digits> of the certificate, or ca:/<file>"
        )
    return address, trust


@dataclass(frozen=True)
class BmcSpec:
    """How to reach a BMC.

    Attributes:
        address: host name or IP address.
        port: UDP for IPMI, TCP for Redfish.
        username: of an account that may change power.
        password: shown to nobody.
        trust: for TLS.  Empty: the machine's authorities vouch for the name; ``sha256:<hex>``: that
            certificate and no other; ``ca:<file>``: authorities of that file.
    """

    address: str
    port: int
    username: str
    password: Secret
    trust: str = ""

    @property
    def name(self) -> str:
        """What errors and logs call it."""
        return f"{self.address}:{self.port}"

    def with_password(self, password: Secret) -> BmcSpec:
        """Return the same with another password."""
        return replace(self, password=password)
