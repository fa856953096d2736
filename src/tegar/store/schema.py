"""Every table, for migrations."""

from tegar.kernel.db import Base
from tegar.kernel.lease import Lease
from tegar.kernel.saga import SagaLog, SagaRow
from tegar.kernel.settings import SettingRow
from tegar.store import (
    accounts,
    acls,
    addresses,
    affinity,
    bmcs,
    dependencies,
    events,
    firewall,
    gateways,
    hosts,
    images,
    internal_balancers,
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
    vpcs,
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
    "acls",
    "addresses",
    "affinity",
    "bmcs",
    "dependencies",
    "events",
    "firewall",
    "gateways",
    "hosts",
    "images",
    "internal_balancers",
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
    "vpcs",
    "zones",
]
