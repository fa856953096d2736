"""Templates."""

from __future__ import annotations

from sqlalchemy import false, or_, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.template import TemplateView, templates
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import NoSuchEntity, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model import checksum
from tegar.model.errors import Denied
from tegar.model.template import State
from tegar.ops import access
from tegar.ops import template as ops
from tegar.ops.cluster import HYPERVISORS
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.images import Copy, ImageStore, OsType, Template
from tegar.store.pools import Pool, Seed
from tegar.store.zones import Zone


class RegisterTemplate(Command):
    """Register a template: it is fetched, checked and kept; isready tells when VMs can be made from it."""

    name = "registerTemplate"
    response = TemplateView
    view = staticmethod(templates)

    name_: str = param("its name", wire="name")
    url: str = param("where it is fetched from, http or https", max_length=2048)
    format: str = param("QCOW2 or RAW", choices=ops.FORMATS)
    hypervisor: str = param("KVM or Simulator", choices=HYPERVISORS)
    display_text: str | None = param("what it is; the name by default", default=None, max_length=1024)
    zone_id: str | None = param("the zone; -1 for all zones", default=None)
    zone_ids: list[str] | None = param("the zone instead of zoneid; one, or -1", default=None)
    os_type_id: OsType | None = param("the guest's operating system", default=None)
    checksum: str | None = param("{SHA-256}hex, or the hex alone", default=None)
    arch: str = param("x86_64", default="x86_64", choices=("x86_64",))
    bits: int = param("64 or 32", default=64, low=32, high=64)
    is_public: bool = param("whether everybody may use it", default=False)
    is_featured: bool = param("whether it is shown first; admins only", default=False)
    is_extractable: bool = param("whether it may be downloaded", default=False)
    is_dynamically_scalable: bool = param("whether its VMs can grow while running", default=False)
    password_enabled: bool = param("whether it takes passwords from the cloud", default=False)
    ssh_key_enabled: bool = param("whether it takes SSH keys from the cloud", default=False)
    requires_hvm: bool = param("whether it needs hardware virtualisation", default=True, wire="requireshvm")
    template_tag: str | None = param("a tag that hosts must have", default=None)
    template_type: str = param("USER", default="USER", choices=("USER",))
    is_routing: bool = param("only false", default=False)
    for_cks: bool = param("only false", default=False)
    direct_download: bool = param("only false", default=False)
    deploy_as_is: bool = param("only false", default=False)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("of this domain", default=None)
    project_id: str | None = param("there are no projects", default=None)

    def run(self, ctx: Ctx) -> Page[Template]:
        self._check(ctx)
        owner = access.owner(ctx, self.account, self.domain_id)
        zone = ops.zone_of(ctx, self.zone_id, self.zone_ids)
        made = Template(
            name=self.name_,
            display_text=self.display_text or self.name_,
            account_id=owner.id,
            domain_id=owner.domain_id,
            zone_id=zone.id if zone else None,
            os_type_id=self.os_type_id.id if self.os_type_id else None,
            url=ops.clean_url(self.url),
            format=self.format,
            hypervisor=self.hypervisor,
            checksum=checksum.normal(self.checksum) if self.checksum else None,
            arch=self.arch,
            bits=self.bits,
            public=self.is_public,
            featured=self.is_featured,
            extractable=self.is_extractable,
            dynamically_scalable=self.is_dynamically_scalable,
            password_enabled=self.password_enabled,
            ssh_key_enabled=self.ssh_key_enabled,
            requires_hvm=self.requires_hvm,
            tag=self.template_tag,
        )
        return Page([ops.register(ctx, made)], 1)

    def _check(self, ctx: Ctx) -> None:
        if self.project_id:
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id)
        if self.is_routing:
            if not ctx.is_admin:
                raise Denied("Only an administrator can register a routing template; leave isrouting out")
            raise Refused("Routers need no template here: leave isrouting out")
        for name, value in (
            ("forcks", self.for_cks),
            ("directdownload", self.direct_download),
            ("deployasis", self.deploy_as_is),
        ):
            if value:
                raise Refused(f"This release does not support {name}=true; leave it out")


class ListTemplates(OwnedList):
    """List templates by who may use them."""

    name = "listTemplates"
    response = TemplateView
    view = staticmethod(templates)

    template_filter: str = param(", ".join(ops.FILTERS), choices=ops.FILTERS)
    id: Template | None = param("the template", default=None)
    ids: list[Template] | None = param("these templates", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("in this zone, or in all zones", default=None)
    hypervisor: str | None = param("KVM or Simulator", default=None)
    is_ready: bool | None = param("only those that VMs can be made from, or the others", default=None)
    template_type: str | None = param("USER; there are no others", default=None)
    arch: str | None = param("x86_64", default=None)
    image_store_id: ImageStore | None = param("kept on this image store", default=None, roles=ADMIN)
    storage_id: Pool | None = param("cached on this pool", default=None, roles=ADMIN)
    show_unique: bool = param("each once; they are shown once anyway", default=False)
    show_icon: bool = param("with icons; there are none", default=False)
    for_cks: bool | None = param("true: for Kubernetes clusters; there are none", default=None)
    is_vnf: bool | None = param("true: network appliances; there are none", default=None)
    details: list[str] | None = param("all or min; all is shown anyway", default=None)

    def run(self, ctx: Ctx) -> Page[Template]:
        row = Template
        by_id = bool(self.id or self.ids)
        if self.id:
            seen = access.visible(ctx, row)
        else:
            seen = ops.shown(ctx, self.template_filter, self.scope(ctx, row, by_id=by_id))
        stmt = select(row).where(live(row), seen).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.hypervisor, self.hypervisor),
            (row.arch, self.arch),
        )
        if self.ids:
            stmt = stmt.where(row.id.in_([t.id for t in self.ids]))
        if self.zone_id:
            stmt = stmt.where(or_(row.zone_id == self.zone_id.id, row.zone_id.is_(None)))
        if self.is_ready is not None:
            stmt = stmt.where((row.state == State.READY) if self.is_ready else (row.state != State.READY))
        if self.image_store_id:
            kept = select(Copy.template_id).where(Copy.store_id == self.image_store_id.id)
            stmt = stmt.where(row.id.in_(kept))
        if self.storage_id:
            cached = select(Seed.template_id).where(Seed.pool_id == self.storage_id.id)
            stmt = stmt.where(row.id.in_(cached))
        if self.for_cks or self.is_vnf or (self.template_type or "USER").upper() != "USER":
            stmt = stmt.where(false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.display_text))
        return self.fetch(ctx, stmt)


class DeleteTemplate(Command):
    """Delete a template; VMs made from it live on."""

    name = "deleteTemplate"
    is_async = True

    id: Template = param("the template")
    zone_id: Zone | None = param("its zone", default=None)
    forced: bool = param("VMs made from it never hinder", default=False)
    is_system: bool = param("only false", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.is_system:
            raise Refused("There are no system templates here: leave issystem out")
        return ops.delete(ctx, self.id, self.zone_id)


COMMANDS = (RegisterTemplate, ListTemplates, DeleteTemplate)
