"""Every table, for migrations."""

from tegar.kernel.db import Base
from tegar.kernel.lease import Lease
from tegar.kernel.saga import SagaLog, SagaRow
from tegar.kernel.settings import SettingRow
from tegar.store import (
    accounts,
    addresses,
    affinity,
    balancers,
    bmcs,
    certificates,
    dependencies,
    events,
    firewall,
    forwarding,
    health,
    hosts,
    images,
    keys,
    leases,
    networks,
    offerings,
    pools,
    restarts,
    routers,
    segments,
    servers,
    vms,
    volumes,
    zones,
)

METADATA = Base.metadata

__all__ = [
    "METADATA",
    "Lease",
    "SagaLog",
    "SagaRow",
    "SettingRow",
    "accounts",
    "addresses",
    "affinity",
    "balancers",
    "bmcs",
    "certificates",
    "dependencies",
    "events",
    "firewall",
    "health",
    "forwarding",
    "hosts",
    "images",
    "keys",
    "leases",
    "networks",
    "offerings",
    "pools",
    "restarts",
    "routers",
    "segments",
    "servers",
    "vms",
    "volumes",
    "zones",
]
