"""Power of hosts, as their BMCs say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

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
