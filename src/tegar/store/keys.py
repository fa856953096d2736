"""SSH keys, the cloud's certificate authorities and join tokens of hosts."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tegar.kernel.db import Base, Row


class SshKey(Row):
    """A public key of an account, by name."""

    __tablename__ = "ssh_key"
    __table_args__ = (Index("ix_ssh_key_name", "account_id", "name"), Row.__table_args__)

    name: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    public_key: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(60))


class Authority(Base):
    """A certificate authority of the cloud: ``agents`` signs hosts, ``servers`` management servers."""

    __tablename__ = "authority"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    certificate_pem: Mapped[str] = mapped_column(Text)
    key_sealed: Mapped[str] = mapped_column(Text)


class SecretKey(Base):
    """A secret of the cloud, sealed by the vault; ``guard`` is what keys of leases follow from."""

    __tablename__ = "secret_key"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)


class JoinToken(Row):
    """Lets one host join, once, until it expires.  Only the digest of the secret is kept."""

    __tablename__ = "join_token"

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_s: Mapped[float]
    used_by: Mapped[str | None]
