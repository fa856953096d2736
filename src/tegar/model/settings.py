"""Every setting of the cloud."""

from __future__ import annotations

from tegar.kernel.settings import Setting, index
from tegar.model.units import GIB

CPU_OVERCOMMIT = Setting(
    "cpu.overprovisioning.factor", 1.0, "CPU promised for each MHz there is", scope="cluster"
)
MEMORY_OVERCOMMIT = Setting(
    "mem.overprovisioning.factor", 1.0, "memory promised for each byte there is", scope="cluster"
)
STORAGE_OVERCOMMIT = Setting(
    "storage.overprovisioning.factor", 2.0, "disk promised for each byte there is", "Storage", "zone"
)
HOST_MEMORY_RESERVED_BYTES = Setting("host.reserved.mem.bytes", GIB // 2, "memory of a host that no VM gets")
EXPUNGE_DELAY_S = Setting("expunge.delay", 86400, "seconds a destroyed VM can still be recovered")
MAX_TEMPLATE_BYTES = Setting(
    "max.template.iso.size.bytes", 50 * GIB, "largest image that is fetched", "Storage"
)
STOP_GRACE_S = Setting("vm.shutdown.grace", 30, "seconds a guest gets to shut down before it is destroyed")
SESSION_TIMEOUT_S = Setting("session.timeout", 1800, "seconds of silence after which a login ends")
CUSTOM_ROOT_DISK_MAX_GB = Setting(
    "custom.diskoffering.size.max", 1024, "largest disk of a custom offering, in GB"
)
HOST_SILENT_S = Setting(
    "host.silent.timeout", 15, "seconds without an answer after which a host counts as disconnected"
)
HA_HOSTS_TOLERATED = Setting(
    "ha.host.failures.tolerated",
    1,
    "hosts with a lease that a cluster can lose at once and still restart all HA VMs; 0 promises nothing",
    scope="cluster",
)
HA_ADMISSION_OVERRIDE = Setting(
    "ha.admission.override",
    False,
    "allow what would break the promise of ha.host.failures.tolerated; each time is an event",
    scope="cluster",
)
HA_STARTS_PER_HOST = Setting(
    "ha.starts.per.host", 4, "VMs of failed hosts that one host starts at once", scope="cluster"
)
HA_GUEST_SILENT_S = Setting(
    "ha.guest.silent.s",
    60,
    "seconds that a guest agent which answered before is silent until its guest hangs",
)
HA_CHECK_HOUR = Setting(
    "ha.check.hour", 2, "hour of the day, in UTC, at which all that failovers stand on is checked; 24 never"
)
NETWORK_GC_INTERVAL_S = Setting(
    "network.gc.interval", 600, "seconds between looks for networks in which no VM runs"
)
NETWORK_GC_WAIT_S = Setting(
    "network.gc.wait", 600, "seconds without a running VM after which a network is shut down"
)
DENIED_ROUTES = Setting(
    "denied.routes",
    "",
    "networks to which no VPC may have a static route, such as 10.9.0.0/16,10.8.0.0/16",
    "Network",
)

SETTINGS = index(
    [
        CPU_OVERCOMMIT,
        MEMORY_OVERCOMMIT,
        STORAGE_OVERCOMMIT,
        HOST_MEMORY_RESERVED_BYTES,
        EXPUNGE_DELAY_S,
        MAX_TEMPLATE_BYTES,
        STOP_GRACE_S,
        SESSION_TIMEOUT_S,
        CUSTOM_ROOT_DISK_MAX_GB,
        HOST_SILENT_S,
        HA_HOSTS_TOLERATED,
        HA_ADMISSION_OVERRIDE,
        HA_STARTS_PER_HOST,
        HA_GUEST_SILENT_S,
        NETWORK_GC_INTERVAL_S,
        NETWORK_GC_WAIT_S,
        HA_CHECK_HOUR,
        DENIED_ROUTES,
    ]
)
