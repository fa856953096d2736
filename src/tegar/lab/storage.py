"""The lab's storage server: a node that speaks NFS on the storage network, without the kernel's help.

NFS-Ganesha serves two directories.  QEMU on the hosts opens ``nfs://`` addresses itself (package
``qemu-block-extra``), so guests run from it even where the kernel has no NFS client.
"""

from __future__ import annotations

from dataclasses import dataclass

from tegar.lab import wiring
from tegar.lab.node import Node, Service, wait_for
from tegar.lab.topology import PRIMARY_PATH, SECONDARY_PATH, STORAGE, Topology

NAME = "storage"
READY_PATIENCE_S = 60
_CONFIG = "/etc/ganesha/ganesha.conf"


def ganesha_config(address: str) -> str:
    """Return NFS-Ganesha's configuration for a server at *address*."""
    exports = "".join(
        f"""
EXPORT {{
    Export_Id = {number};
    Path = {path};
    Pseudo = {path};
    Access_Type = RW;
    Squash = No_Root_Squash;
    SecType = sys;
    Protocols = 3, 4;
    Transports = TCP;
    FSAL {{ Name = VFS; }}
}}
"""
        for number, path in enumerate((PRIMARY_PATH, SECONDARY_PATH), start=1)
    )
    return f"""\
NFS_CORE_PARAM {{
    Protocols = 3, 4;
    Bind_addr = {address};
    MNT_Port = 20048;
    Enable_NLM = false;
    Enable_RQUOTA = false;
}}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; }}
LOG {{ Default_Log_Level = EVENT; }}
{exports}"""


@dataclass(frozen=True)
class LabStorage:
    """The storage server."""

    topology: Topology

    @property
    def node(self) -> Node:
        """Its namespaces."""
        home = self.topology.node_dir(NAME)
        return Node(
            self.topology,
            NAME,
            binds=(
                (home / "primary", str(PRIMARY_PATH)),
                (self.topology.secondary_dir, str(SECONDARY_PATH)),
                (home / "etc-ganesha", "/etc/ganesha"),
                (home / "var-nfs", "/var/lib/nfs"),
                (home / "log-ganesha", "/var/log/ganesha"),
                (self.topology.state_dir / "shared" / "hosts", "/etc/hosts"),
            ),
            plugs=(wiring.Plug(STORAGE, "storage0", f"{self.ip}/{self.topology.cidr(STORAGE).prefixlen}"),),
        )

    @property
    def ip(self) -> str:
        """Its address on the storage network."""
        return self.topology.storage_server_ip

    @property
    def primary_url(self) -> str:
        """What QEMU calls the directory for volumes."""
        return f"nfs://{self.ip}{PRIMARY_PATH}"

    @property
    def secondary_url(self) -> str:
        """What QEMU calls the directory for images; the hosts also see it as a directory."""
        return f"nfs://{self.ip}{SECONDARY_PATH}"

    def powered(self) -> bool:
        """Return whether it has power."""
        return self.node.init_pid() is not None

    def power_off(self) -> None:
        """Cut its power."""
        self.node.power_off()

    def power_on(self) -> None:
        """Start it and return when it serves.

        Raises:
            LabError: it does not serve within a minute; log/ganesha.log says more.
        """
        config = self.node.home / "etc-ganesha"
        config.mkdir(parents=True, exist_ok=True)
        (config / "ganesha.conf").write_text(ganesha_config(self.ip))
        (self.node.home / "var-nfs" / "ganesha").mkdir(parents=True, exist_ok=True)
        (self.node.home / "primary").mkdir(parents=True, exist_ok=True)
        (self.node.home / "primary" / ".ready").touch()
        self.node.power_on()
        self.node.start_service(Service("rpcbind", ("/usr/sbin/rpcbind", "-w", "-f"), {}))
        nfsd = ("/usr/bin/ganesha.nfsd", "-F", "-L", "STDERR", "-f", _CONFIG, "-p", "/run/ganesha.pid")
        self.node.start_service(Service("ganesha", nfsd, {}))
        wait_for(self.node, ["qemu-img", "info", f"{self.primary_url}/.ready"], "NFS", READY_PATIENCE_S)
