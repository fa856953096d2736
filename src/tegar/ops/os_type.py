"""Guest operating systems by name."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.store.images import OsType
from tegar.store.stock import stock_uuid

STOCK = (
    ("Other Linux (64-bit)", "Other"),
    ("Other PV (64-bit)", "Other"),
    ("Other (64-bit)", "Other"),
    ("None", "None"),
    ("Debian GNU/Linux 11 (64-bit)", "Debian"),
    ("Debian GNU/Linux 12 (64-bit)", "Debian"),
    ("Debian GNU/Linux 13 (64-bit)", "Debian"),
    ("Ubuntu 20.04 LTS", "Ubuntu"),
    ("Ubuntu 22.04 LTS", "Ubuntu"),
    ("Ubuntu 24.04 LTS", "Ubuntu"),
    ("CentOS 7", "CentOS"),
    ("Rocky Linux 8", "RockyLinux"),
    ("Rocky Linux 9", "RockyLinux"),
    ("AlmaLinux 9", "AlmaLinux"),
    ("Red Hat Enterprise Linux 9", "RedHat"),
    ("openSUSE Leap 15", "SUSE"),
    ("FreeBSD 14 (64-bit)", "BSD"),
    ("Windows Server 2019 (64-bit)", "Windows"),
    ("Windows Server 2022 (64-bit)", "Windows"),
    ("Windows 11 (64-bit)", "Windows"),
)


def seed(s: Session) -> None:
    """Write the stock entries that are missing; removed ones do not come back."""
    there = set(s.scalars(select(OsType.uuid)))
    wanted = [OsType(uuid=stock_uuid(OsType, name), description=name, category=kind) for name, kind in STOCK]
    s.add_all(row for row in wanted if row.uuid not in there)
    s.flush()
