"""Every table, for migrations."""

from tegar.kernel.db import Base
from tegar.kernel.lease import Lease
from tegar.kernel.saga import SagaLog, SagaRow
from tegar.kernel.settings import SettingRow
from tegar.store import (
    accounts,
    affinity,
    bmcs,
    dependencies,
    events,
    health,
    hosts,
    images,
    keys,
    leases,
    networks,
    offerings,
    pools,
    restarts,
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
    "affinity",
    "bmcs",
    "dependencies",
    "events",
    "health",
    "hosts",
    "images",
    "keys",
    "leases",
    "networks",
    "offerings",
    "pools",
    "restarts",
    "servers",
    "vms",
    "volumes",
    "zones",
]
