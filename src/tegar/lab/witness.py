"""A small node on the management network, for a witness: it can be killed and cut off by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tegar.lab import wiring
from tegar.lab.node import Node, Service
from tegar.lab.topology import MGMT, NETWORKS, Topology


@dataclass(frozen=True)
class LabWitness:
    """A node for a witness.

    Attributes:
        topology: the lab it is part of.
        number: which one it is, counted from 1.
    """

    topology: Topology
    number: int

    @property
    def name(self) -> str:
        """Its host name, from w1 on."""
        return f"w{self.number}"

    @property
    def ip(self) -> str:
        """Its address on the management network."""
        return self.topology.witness_ip(self.number)

    @property
    def var_dir(self) -> Path:
        """The directory on the machine that it sees as /var/lib/tegar; outlives power cuts."""
        return self.node.home / "var"

    @property
    def log_dir(self) -> Path:
        """The directory on the machine with one log a service."""
        return self.node.home / "log"

    @property
    def node(self) -> Node:
        """Its namespaces."""
        home = self.topology.node_dir(self.name)
        return Node(
            self.topology,
            self.name,
            binds=(
                (home / "var", "/var/lib/tegar"),
                (self.topology.state_dir / "shared" / "hosts", "/etc/hosts"),
            ),
            plugs=(wiring.Plug(MGMT, "mgmt0", f"{self.ip}/{self.topology.cidr(MGMT).prefixlen}"),),
        )

    def start_service(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Run a program, again when it dies, and after each boot, until it is stopped."""
        self.node.start_service(Service(name, tuple(argv), dict(env or {})))

    def stop_service(self, name: str) -> None:
        """End a service and forget it; one that is not there is no error."""
        self.node.stop_service(name)

    def service_pid(self, name: str) -> int | None:
        """Return a service's process as the machine numbers it, or None when it does not run."""
        return self.node.service_pid(name)

    def power_off(self) -> None:
        """Cut its power."""
        self.node.power_off()

    def power_on(self) -> None:
        """Boot it, with the services it had.

        Raises:
            LabError: it does not come up.
        """
        self.node.power_on()

    def powered(self) -> bool:
        """Return whether it has power."""
        return self.node.init_pid() is not None

    def cut(self, networks: Collection[str] = NETWORKS) -> None:
        """Cut its cable."""
        self.node.cut(networks)

    def join(self, networks: Collection[str] = NETWORKS) -> None:
        """Mend its cable."""
        self.node.join(networks)
