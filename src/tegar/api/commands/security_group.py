"""Security groups and their rules."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, Success
from tegar.api.views.security_group import SecurityGroupOfVm, SecurityGroupView, authorized, security_groups
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access, security_rule
from tegar.ops import security_group as ops
from tegar.ops.ctx import Ctx
from tegar.ops.security_rule import Wish
from tegar.store.accounts import Domain
from tegar.store.security_groups import SecurityGroup, SecurityMember, SecurityRule
from tegar.store.vms import Vm

_OF = "the account that has it; by default the caller's"
_IN = "the account's domain"


class CreateSecurityGroup(Command):
    """Make a security group: nothing comes in to its virtual machines, until a rule lets it, and all goes out."""

    name = "createSecurityGroup"
    response = SecurityGroupView
    view = staticmethod(security_groups)

    name_: str = param("its name, unique in the account", wire="name")
    description: str | None = param("what it is for", default=None)
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> SecurityGroup:
        owner = access.owner(ctx, self.account, self.domain_id)
        return ops.create(ctx, owner, self.name_, self.description)


class UpdateSecurityGroup(Command):
    """Give a security group another name."""

    name = "updateSecurityGroup"
    roles = ADMIN
    response = SecurityGroupView
    view = staticmethod(security_groups)

    id: SecurityGroup = param("the group")
    name_: str | None = param("its new name", default=None, wire="name")

    def run(self, ctx: Ctx) -> SecurityGroup:
        return ops.rename(ctx, self.id, self.name_)


class DeleteSecurityGroup(Command):
    """Delete a security group that no virtual machine is in, and no rule of another group names."""

    name = "deleteSecurityGroup"

    id: SecurityGroup | None = param("the group", default=None)
    name_: str | None = param("or its name", default=None, wire="name")
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> Success:
        owner = access.owner(ctx, self.account, self.domain_id)
        ops.delete(ctx, ops.one(ctx, owner, self.id, self.name_, ""))
        return Success()


class ListSecurityGroups(OwnedList):
    """List security groups with their rules."""

    name = "listSecurityGroups"
    response = SecurityGroupView
    view = staticmethod(security_groups)

    id: SecurityGroup | None = param("the group", default=None)
    security_group_name: str | None = param("its exact name", default=None)
    virtual_machine_id: Vm | None = param("with this virtual machine", default=None)

    def run(self, ctx: Ctx) -> Page[SecurityGroup]:
        by_id = self.id is not None or self.virtual_machine_id is not None
        shown = self.scope(ctx, SecurityGroup, by_id=by_id)
        stmt = select(SecurityGroup).where(live(SecurityGroup), shown).order_by(SecurityGroup.id)
        if self.id is not None:
            stmt = stmt.where(SecurityGroup.id == self.id.id)
        if self.security_group_name:
            stmt = stmt.where(SecurityGroup.name == self.security_group_name)
        if self.virtual_machine_id is not None:
            mine = select(SecurityMember.group_id).where(SecurityMember.vm_id == self.virtual_machine_id.id)
            stmt = stmt.where(SecurityGroup.id.in_(mine))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, SecurityGroup.name))
        return self.fetch(ctx, stmt)


class _Authorize(Command):
    """Rules for a group; the answer is the group with those rules alone."""

    is_async = True
    response = SecurityGroupOfVm
    entity = SecurityRule
    view = staticmethod(authorized)

    security_group_id: SecurityGroup | None = param("the group", default=None)
    security_group_name: str | None = param("or its name", default=None)
    protocol: str | None = param("tcp, udp, icmp, all or a number; by default all", default=None)
    start_port: int | None = param("first port, of tcp and udp", default=None)
    end_port: int | None = param("last port", default=None)
    icmp_type: int | None = param("type of icmp; -1: all", default=None)
    icmp_code: int | None = param("code of icmp; -1: all", default=None)
    cidr_list: list[str] | None = param("these CIDRs, a rule for each", default=None)
    user_security_group_list: list[dict[str, str]] | None = param(
        "the virtual machines of these groups: account, group", default=None
    )
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def authorize(self, ctx: Ctx, *, inbound: bool) -> SagaRow:
        """Ask for the rules."""
        owner = access.owner(ctx, self.account, self.domain_id)
        group = ops.one(ctx, owner, self.security_group_id, self.security_group_name, "securitygroup")
        wish = Wish(
            self.protocol or "",
            self.start_port,
            self.end_port,
            self.icmp_type,
            self.icmp_code,
            self.cidr_list or [],
            self.user_security_group_list or [],
        )
        return security_rule.authorize(ctx, group, wish, inbound=inbound)


class AuthorizeSecurityGroupIngress(_Authorize):
    """Let packets in to the virtual machines of a security group; done when all of them are let in."""

    name = "authorizeSecurityGroupIngress"

    def run(self, ctx: Ctx) -> SagaRow:
        return self.authorize(ctx, inbound=True)


class AuthorizeSecurityGroupEgress(_Authorize):
    """Let packets out of the virtual machines of a security group, from now on only those that rules name."""

    name = "authorizeSecurityGroupEgress"

    def run(self, ctx: Ctx) -> SagaRow:
        return self.authorize(ctx, inbound=False)


class RevokeSecurityGroupIngress(Command):
    """Let packets in no more; what is connected stays so."""

    name = "revokeSecurityGroupIngress"
    is_async = True

    id: SecurityRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return security_rule.revoke(ctx, self.id, inbound=True)


class RevokeSecurityGroupEgress(Command):
    """Let packets out no more; without any egress rule all are let out."""

    name = "revokeSecurityGroupEgress"
    is_async = True

    id: SecurityRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return security_rule.revoke(ctx, self.id, inbound=False)


COMMANDS: tuple[type[Command], ...] = (
    CreateSecurityGroup,
    ListSecurityGroups,
    UpdateSecurityGroup,
    DeleteSecurityGroup,
    AuthorizeSecurityGroupIngress,
    RevokeSecurityGroupIngress,
    AuthorizeSecurityGroupEgress,
    RevokeSecurityGroupEgress,
)
