"""What a lab looks like: names and addresses, computed and never looked up.

Everything follows from the state directory, so two labs on one machine have different names
and, by default, different addresses, and ``down`` finds what a crashed ``up`` left behind.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

SLOTS = 512
"""How many labs fit side by side: each takes 8192 addresses of 10.64.0.0/10."""

_SPACE = IPv4Network("10.64.0.0/10")
_SLOT_ADDRESSES = 8192
MAX_HOSTS = 64
MAX_WITNESSES = 9
BMC_PORT = 9000
BMCS = ("", "ipmi", "redfish")

MGMT, STORAGE, PUBLIC, GUEST = "mgmt", "storage", "public", "guest"
NETWORKS = (MGMT, STORAGE, PUBLIC, GUEST)

PRIMARY_PATH = Path("/srv/tegar/primary")
SECONDARY_PATH = Path("/srv/tegar/secondary")


@dataclass(frozen=True)
class Topology:
    """One lab.

    Attributes:
        state_dir: where the lab keeps all it must remember.
        hosts: how many hosts, 1 to 64.
        nfs: whether there is a storage server that speaks NFS.
        slot: which addresses to use, 0 to 511; by default the state directory decides.
            ``up`` takes another one where these are in use, so ask ``Lab.topology`` for
            addresses once the lab is up.
        witnesses: how many small nodes that can run witnesses, 0 to 9.
        bmc: what the hosts' BMCs speak, ``ipmi`` or ``redfish``; empty: they have none.
    """

    state_dir: Path
    hosts: int
    nfs: bool = False
    slot: int = -1
    witnesses: int = 0
    bmc: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not 1 <= self.hosts <= MAX_HOSTS:
            raise ValueError(f"a lab has 1 to {MAX_HOSTS} hosts, not {self.hosts}")
        if not 0 <= self.witnesses <= MAX_WITNESSES:
            raise ValueError(f"a lab has 0 to {MAX_WITNESSES} witnesses, not {self.witnesses}")
        if not -1 <= self.slot < SLOTS:
            raise ValueError(f"a slot is 0 to {SLOTS - 1}, not {self.slot}")
        if self.bmc not in BMCS:
            raise ValueError(f"a BMC speaks ipmi or redfish, not {self.bmc!r}")

    @property
    def _digest(self) -> bytes:
        return hashlib.sha256(str(self.state_dir.absolute()).encode()).digest()

    @property
    def prefix(self) -> str:
        """Six characters that start the name of everything the lab makes on the machine."""
        return "tg" + self._digest.hex()[:4]

    @property
    def network(self) -> IPv4Network:
        """All addresses of the lab."""
        slot = self.slot if self.slot >= 0 else self.preferred_slot
        return IPv4Network((int(_SPACE.network_address) + slot * _SLOT_ADDRESSES, 19))

    @property
    def preferred_slot(self) -> int:
        """The slot taken where nobody else has it."""
        return int.from_bytes(self._digest[2:4], "big") % SLOTS

    def cidr(self, network: str) -> IPv4Network:
        """Return the addresses of one of the lab's networks."""
        small = list(self.network.subnets(new_prefix=24))
        big = list(self.network.subnets(new_prefix=20))
        return {MGMT: small[0], STORAGE: small[1], PUBLIC: small[2], GUEST: big[1]}[network]

    @property
    def mgmt_cidr(self) -> str:
        """Where management servers and hosts talk, and guests migrate."""
        return str(self.cidr(MGMT))

    @property
    def guest_cidr(self) -> str:
        """The shared guest network; the machine itself is its gateway."""
        return str(self.cidr(GUEST))

    @property
    def storage_cidr(self) -> str:
        """Where hosts reach the storage server."""
        return str(self.cidr(STORAGE))

    @property
    def public_cidr(self) -> str:
        """Addresses that virtual routers give to the world; the outside is the gateway."""
        return str(self.cidr(PUBLIC))

    def gateway(self, network: str) -> str:
        """Return the first address of a network: the machine's own, or the outside's on the public network."""
        return self._address(network, 1)

    @property
    def mgmt_gateway(self) -> str:
        """The machine's own address on the management network."""
        return self.gateway(MGMT)

    @property
    def guest_gateway(self) -> str:
        """The machine's own address on the guest network."""
        return self.gateway(GUEST)

    @property
    def public_gateway(self) -> str:
        """The address of the world outside, which is the gateway of the public network."""
        return self.gateway(PUBLIC)

    @property
    def public_address(self) -> str:
        """The machine's own address on the public network."""
        return self._address(PUBLIC, 2)

    @property
    def storage_server_ip(self) -> str:
        """The NFS server's address on the storage network."""
        return self._address(STORAGE, 2)

    @property
    def host_names(self) -> Sequence[str]:
        """The names of the hosts, from h1 on."""
        return tuple(f"h{i}" for i in range(1, self.hosts + 1))

    def host_mgmt_ip(self, i: int) -> str:
        """Return the management address of host *i*, counted from 1."""
        return self._address(MGMT, 10 + i)

    def host_storage_ip(self, i: int) -> str:
        """Return the storage address of host *i*, counted from 1."""
        return self._address(STORAGE, 10 + i)

    @property
    def witness_names(self) -> Sequence[str]:
        """The names of the nodes for witnesses, from w1 on."""
        return tuple(f"w{i}" for i in range(1, self.witnesses + 1))

    def witness_ip(self, i: int) -> str:
        """Return the management address of witness node *i*, counted from 1."""
        return self._address(MGMT, 200 + i)

    def host_uuid(self, i: int) -> str:
        """Return the identity libvirt gives to host *i*; it differs between hosts and stays."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tegar-lab:{self.state_dir.absolute()}:h{i}"))

    def node_dir(self, name: str) -> Path:
        """Return the directory that holds all of one host or server."""
        return self.state_dir / "hosts" / name

    def bmc_dir(self, name: str) -> Path:
        """Return the directory that holds all of one host's BMC."""
        return self.state_dir / "bmcs" / name

    @property
    def primary_dir(self) -> Path:
        """The directory all hosts see as /srv/tegar/primary."""
        return self.state_dir / "shared" / "primary"

    @property
    def secondary_dir(self) -> Path:
        """The directory all hosts see as /srv/tegar/secondary."""
        return self.state_dir / "shared" / "secondary"

    @property
    def switch(self) -> str:
        """The network namespace with the lab's switches."""
        return f"{self.prefix}-sw"

    @property
    def outside(self) -> str:
        """The network namespace that is the world outside."""
        return f"{self.prefix}-out"

    def uplink(self, network: str) -> str:
        """Return the machine's own interface on a network."""
        return f"{self.prefix}{network[0]}0"

    def _address(self, network: str, number: int) -> str:
        return str(IPv4Address(int(self.cidr(network).network_address) + number))
