"""Affinity groups."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, OwnedList, named
from tegar.api.views.affinity import AffinityGroupView, AffinityTypeView, affinity_groups, affinity_types
from tegar.api.views.vm import VmView, vms
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, matches, paging
from tegar.kernel.saga import SagaRow
from tegar.model.affinity import Kind
from tegar.ops import access, job
from tegar.ops import affinity as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.affinity import AffinityGroup, AffinityMember
from tegar.store.vms import Vm

_OF = "the account that has it; by default the caller's"
_IN = "the account's domain"


class CreateAffinityGroup(Command):
    """Make an affinity group, whose virtual machines run apart or together."""

    name = "createAffinityGroup"
    is_async = True
    response = AffinityGroupView
    entity = AffinityGroup
    view = staticmethod(affinity_groups)

    name_: str = param("its name, unique in the account", wire="name")
    type: str = param("what it wants; non-strict ones are obeyed where there is room", choices=tuple(Kind))
    description: str | None = param("what it is for", default=None)
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        owner = access.owner(ctx, self.account, self.domain_id)
        return job.done(ctx, ops.create(ctx, owner, self.name_, Kind(self.type), self.description))


class DeleteAffinityGroup(Command):
    """Delete an affinity group; its virtual machines stay where they are."""

    name = "deleteAffinityGroup"
    is_async = True

    id: AffinityGroup | None = param("the group", default=None)
    name_: str | None = param("or its name", default=None, wire="name")
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        if (self.id is None) == (not self.name_):
            raise Refused("Give id or name, and not both")
        owner = access.owner(ctx, self.account, self.domain_id)
        group = self.id or ops.named(ctx, owner, self.name_ or "")
        ops.delete(ctx, group)
        return job.done(ctx, group)


class ListAffinityGroups(OwnedList):
    """List affinity groups."""

    name = "listAffinityGroups"
    response = AffinityGroupView
    view = staticmethod(affinity_groups)

    id: AffinityGroup | None = param("the group", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    type: str | None = param("of this type", default=None)
    virtual_machine_id: Vm | None = param("with this virtual machine", default=None)

    def run(self, ctx: Ctx) -> Page[AffinityGroup]:
        by_id = self.id is not None or self.virtual_machine_id is not None
        shown = self.scope(ctx, AffinityGroup, by_id=by_id)
        stmt = select(AffinityGroup).where(live(AffinityGroup), shown).order_by(AffinityGroup.id)
        if self.id is not None:
            stmt = stmt.where(AffinityGroup.id == self.id.id)
        if self.name_:
            stmt = stmt.where(AffinityGroup.name == self.name_)
        if self.type:
            stmt = stmt.where(AffinityGroup.kind.in_(named(Kind, self.type)))
        if self.virtual_machine_id is not None:
            mine = select(AffinityMember.group_id).where(AffinityMember.vm_id == self.virtual_machine_id.id)
            stmt = stmt.where(AffinityGroup.id.in_(mine))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, AffinityGroup.name, AffinityGroup.kind))
        return self.fetch(ctx, stmt)


class ListAffinityGroupTypes(List):
    """List what affinity groups can want."""

    name = "listAffinityGroupTypes"
    response = AffinityTypeView
    view = staticmethod(affinity_types)

    def run(self, ctx: Ctx) -> Page[Kind]:
        found = [kind for kind in Kind if (self.keyword or "").lower() in kind.value]
        want = paging(self.page, self.pagesize)
        rest = found[want.first :]
        return Page(rest if want.size is None else rest[: want.size], len(found))


class UpdateVMAffinityGroup(Command):
    """Put a stopped virtual machine into these affinity groups and no others; without any, into none."""

    name = "updateVMAffinityGroup"
    is_async = True
    response = VmView
    entity = Vm
    view = staticmethod(vms)

    id: Vm = param("the virtual machine; it must be Stopped")
    affinity_group_ids: list[AffinityGroup] | None = param("the groups", default=None)
    affinity_group_names: list[str] | None = param("or their names, in the VM's account", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        access.must_operate(ctx, self.id)
        owner = ctx.s.get_one(Account, self.id.account_id)
        ops.change(ctx, self.id, ops.chosen(ctx, owner, self.affinity_group_ids, self.affinity_group_names))
        return job.done(ctx, self.id)


COMMANDS = (
    CreateAffinityGroup,
    DeleteAffinityGroup,
    ListAffinityGroups,
    ListAffinityGroupTypes,
    UpdateVMAffinityGroup,
)
