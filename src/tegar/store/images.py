"""Image stores (secondary storage) and templates."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tegar.kernel.db import BIG, Base, Row
from tegar.model.spec import StoreSpec
from tegar.model.template import TEMPLATE, State


class ImageStore(Row):
    """A secondary storage.  ``url`` is ``nfs://server/path`` or ``file:///path``."""

    __tablename__ = "image_store"

    name: Mapped[str] = mapped_column(String(100))
    provider: Mapped[str] = mapped_column(String(20))
    url: Mapped[str]
    zone_id: Mapped[int | None] = mapped_column(ForeignKey("zone.id"), index=True)
    read_only: Mapped[bool] = mapped_column(default=False)

    def spec(self) -> StoreSpec:
        """Return the store as drivers know it."""
        return StoreSpec(self.uuid, self.url)


class OsType(Row):
    """A guest operating system by name."""

    __tablename__ = "os_type"

    description: Mapped[str]
    category: Mapped[str] = mapped_column(String(60))


class Template(Row):
    """A disk image that VMs are made from.  ``zone_id`` None means all zones."""

    __tablename__ = "template"
    __table_args__ = (Index("ix_template_account", "account_id"), Row.__table_args__)
    machine = TEMPLATE

    name: Mapped[str]
    display_text: Mapped[str] = mapped_column(String(1024))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    zone_id: Mapped[int | None] = mapped_column(ForeignKey("zone.id"))
    os_type_id: Mapped[int | None] = mapped_column(ForeignKey("os_type.id"))
    state: Mapped[State] = mapped_column(default=State.FETCHING)
    why: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str] = mapped_column(String(2048))
    format: Mapped[str] = mapped_column(String(10))
    hypervisor: Mapped[str] = mapped_column(String(20))
    checksum: Mapped[str | None]
    arch: Mapped[str] = mapped_column(String(20), default="x86_64")
    public: Mapped[bool] = mapped_column(default=False)
    featured: Mapped[bool] = mapped_column(default=False)
    extractable: Mapped[bool] = mapped_column(default=False)
    password_enabled: Mapped[bool] = mapped_column(default=False)
    ssh_key_enabled: Mapped[bool] = mapped_column(default=False)
    dynamically_scalable: Mapped[bool] = mapped_column(default=False)
    requires_hvm: Mapped[bool] = mapped_column(default=True)
    bits: Mapped[int] = mapped_column(default=64)
    tag: Mapped[str | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    physical_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class Copy(Base):
    """A template kept on an image store."""

    __tablename__ = "template_copy"
    __table_args__ = (UniqueConstraint("template_id", "store_id"), Base.__table_args__)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    template_id: Mapped[int] = mapped_column(BIG)
    store_id: Mapped[int] = mapped_column(BIG, index=True)
