"""Accounts of tests, and the zone that tests build, which is the simulator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from tegar.kernel.secret import token
from tegar.model.access import Role
from tegar.sim.zone import Built, build_zone
from tegar.store.accounts import Account, Domain, User

if TYPE_CHECKING:
    from support.cloud import Cloud

__all__ = ["Built", "build_zone", "make_user"]


def make_user(cloud: Cloud, name: str, *, role: str, domain_uuid: str) -> tuple[str, str, str, int, str]:
    """Return keys of a user of an account of that name, made on first use."""

    def work(s: Session) -> tuple[str, str, str, int, str]:
        domain = (
            s.query(Domain).filter_by(uuid=domain_uuid).one()
            if domain_uuid
            else s.query(Domain).filter_by(path="/").one()
        )
        user = s.query(User).filter_by(username=name).one_or_none()
        if user is None:
            account = Account(name=name, domain_id=domain.id, role=Role(role))
            s.add(account)
            s.flush()
            user = User(
                account_id=account.id, username=name, password_hash="", firstname=name, lastname=name,
                email=f"{name}@example.org", api_key=token(), secret_key_sealed=cloud.vault.seal(token()),
            )  # fmt: skip
            s.add(user)
            s.flush()
        secret = cloud.vault.open(user.secret_key_sealed or "").reveal()
        return user.api_key or "", secret, name, user.account_id, domain.uuid

    return cloud.db.tx(work)
