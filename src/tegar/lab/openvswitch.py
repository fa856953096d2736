"""Open vSwitch on a lab host: its own database and daemon, which switch in user space.

Lab kernels often lack 802.1Q devices; Open vSwitch cuts VLANs without them, and without its kernel module.
The database lives in the host's /run, so a host that boots knows no ports of guests that died with it.
"""

from __future__ import annotations

from collections.abc import Collection

PACKAGE = "openvswitch-switch"
_RUN = "/run/openvswitch"
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def services(bridges: Collection[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what runs on the host, in the order of its start.

    Args:
        bridges: bridge and uplink of each label that is cut by Open vSwitch.
    """
    database = (
        f"mkdir -p {_RUN} && cd {_RUN} && {{ [ -e conf.db ] || ovsdb-tool create conf.db {_SCHEMA}; }}"
        f" && exec ovsdb-server conf.db --remote=punix:{_RUN}/db.sock --pidfile -vsyslog:off -vconsole:warn"
    )
    words = ["ovs-vsctl --retry --no-wait init"]
    for bridge, uplink in bridges:
        words.append(f"--may-exist add-br {bridge}")
        words.append(f"set Bridge {bridge} datapath_type=netdev")
        words.append(f"--may-exist add-port {bridge} {uplink}")
    switch = f"{' -- '.join(words)} && exec ovs-vswitchd --pidfile -vsyslog:off -vconsole:warn"
    return (("ovsdb-server", ("/bin/sh", "-c", database)), ("ovs-vswitchd", ("/bin/sh", "-c", switch)))


def up_check(bridges: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """Return the command that succeeds once all bridges are there."""
    return ("sh", "-c", " && ".join(f"ip link show {bridge} > /dev/null" for bridge, _ in bridges))
