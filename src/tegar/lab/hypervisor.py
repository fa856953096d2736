"""How libvirt is set up on a lab host: the files in its /etc/libvirt, rendered."""

from __future__ import annotations

from collections.abc import Mapping


def settings(*, mgmt_ip: str, host_uuid: str) -> Mapping[str, str]:
    """Return the files of /etc/libvirt by name.

    libvirt is asked over TCP on the management network only, and guests migrate there; in the
    lab without TLS, which real hosts must use.  QEMU runs as root without security driver,
    namespaces and cgroups: the host's own namespaces hold it, and are what the lab takes away.
    """
    daemon = f"""\
listen_tcp = 1
listen_tls = 0
listen_addr = "{mgmt_ip}"
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{host_uuid}"
log_outputs = "2:stderr"
"""
    qemu = f"""\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
dynamic_ownership = 0
vnc_listen = "{mgmt_ip}"
migration_address = "{mgmt_ip}"
migration_host = "{mgmt_ip}"
"""
    return {"libvirtd.conf": daemon, "qemu.conf": qemu, "virtlogd.conf": 'log_outputs = "2:stderr"\n'}


SERVICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("virtlogd", ("/usr/sbin/virtlogd",)),
    ("libvirtd", ("/usr/sbin/libvirtd", "--listen")),
)
"""What runs on every host, in the order of its start."""

PRIVATE_DIRS: tuple[tuple[str, str], ...] = (
    ("var", "/var/lib/tegar"),
    ("etc-libvirt", "/etc/libvirt"),
    ("lib-libvirt", "/var/lib/libvirt"),
    ("log-libvirt", "/var/log/libvirt"),
    ("cache-libvirt", "/var/cache/libvirt"),
)
"""Directories of the node on the machine, and what they are in the host."""
