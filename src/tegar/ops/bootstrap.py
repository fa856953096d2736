"""What a cloud has before anybody does anything: ROOT, its administrator, stock offerings.

Every server runs it at every start.  Stock rows have fixed uuids: two servers that start at the
same moment clash and one of them looks again, and what an operator deleted does not come back.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import by_uuid, live
from tegar.kernel.secret import Vault, token
from tegar.model.access import Role
from tegar.model.units import GIB, MIB
from tegar.ops import acl, network_offering, os_type, vpc_offering
from tegar.ops.password import hash_password
from tegar.store.accounts import Account, Domain, User
from tegar.store.offerings import DiskOffering, ServiceOffering
from tegar.store.stock import stock_uuid

ADMIN = "admin"


def is_stock(row: Account | User) -> bool:
    """Return whether it is the administrator that every cloud begins with."""
    return row.uuid == stock_uuid(type(row), ADMIN)


def bootstrap(s: Session, vault: Vault, now_s: float, *, admin_password: str) -> None:
    """Make what is missing; what is there stays as it is, the administrator's password too.

    Args:
        s: one transaction, which may be repeated.
        vault: seals the administrator's secret key.
        now_s: the wall time.
        admin_password: of the user ``admin``, when there is none yet.
    """
    root = _root(s, now_s)
    account = _account(s, root, now_s)
    if by_uuid(s, User, stock_uuid(User, ADMIN)) is None:
        _user(s, vault, account, now_s, admin_password)
    offerings: list[ServiceOffering | DiskOffering] = [*_service_offerings(), *_disk_offerings()]
    for offering in offerings:
        offering.uuid = stock_uuid(type(offering), offering.name)
        if by_uuid(s, type(offering), offering.uuid) is None:
            offering.created_s = now_s
            s.add(offering)
    s.flush()
    os_type.seed(s)
    network_offering.seed(s)
    vpc_offering.seed(s)
    acl.seed(s)


def admin_keys(s: Session, vault: Vault) -> tuple[str, str]:
    """Return the API key and the secret key of the first administrator.

    Raises:
        NoResultFound: bootstrap has not run.
    """
    user = s.scalars(select(User).where(User.uuid == stock_uuid(User, ADMIN), live(User))).one()
    return user.api_key or "", vault.open(user.secret_key_sealed or "").reveal()


def _root(s: Session, now_s: float) -> Domain:
    name = "ROOT"
    found = by_uuid(s, Domain, stock_uuid(Domain, name))
    if found is None:
        found = Domain(uuid=stock_uuid(Domain, name), name=name, path="/", level=0, created_s=now_s)
        s.add(found)
        s.flush()
    return found


def _account(s: Session, root: Domain, now_s: float) -> Account:
    found = by_uuid(s, Account, stock_uuid(Account, ADMIN))
    if found is None:
        found = Account(
            uuid=stock_uuid(Account, ADMIN), name=ADMIN, domain_id=root.id, role=Role.ADMIN, created_s=now_s
        )
        s.add(found)
        s.flush()
    return found


def _user(s: Session, vault: Vault, account: Account, now_s: float, password: str) -> None:
    s.add(
        User(
            uuid=stock_uuid(User, ADMIN),
            account_id=account.id,
            username=ADMIN,
            password_hash=hash_password(password),
            firstname="Admin",
            lastname="User",
            email="admin@localhost",
            api_key=token(64),
            secret_key_sealed=vault.seal(token(64)),
            created_s=now_s,
        )
    )


def _service_offerings() -> list[ServiceOffering]:
    sizes = (("Tiny", 1, 250, 128 * MIB), ("Small", 1, 500, 512 * MIB), ("Medium", 1, 1000, GIB))
    return [
        ServiceOffering(
            name=f"{size} Instance",
            display_text=f"{size} Instance",
            cpus=cpus,
            cpu_mhz=mhz,
            memory_bytes=memory_bytes,
        )
        for size, cpus, mhz, memory_bytes in sizes
    ]


def _disk_offerings() -> list[DiskOffering]:
    sizes = (("Small", 5), ("Medium", 20), ("Large", 100))
    offerings = [
        DiskOffering(name=name, display_text=f"{name} Disk, {gb} GB", size_bytes=gb * GIB)
        for name, gb in sizes
    ]
    return [*offerings, DiskOffering(name="Custom", display_text="Custom Disk", custom=True)]
