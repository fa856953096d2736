"""SSH key pairs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, Plain, Success
from tegar.api.views.ssh_key import NewSshKeyView, SshKeyView, ssh_keys
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops import ssh_key as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.keys import SshKey

_OF = "the account that has it; by default the caller's"
_IN = "the account's domain"


class RegisterSSHKeyPair(Command):
    """Register the public key of a pair that the caller has."""

    name = "registerSSHKeyPair"
    response = SshKeyView
    view = staticmethod(ssh_keys)

    name_: str = param("its name, unique in the account", wire="name")
    public_key: str = param("the public key, a line as in authorized_keys", max_length=5120)
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> SshKey:
        owner = access.owner(ctx, self.account, self.domain_id)
        return ops.register(ctx, self.name_, owner, self.public_key)


class CreateSSHKeyPair(Command):
    """Make a key pair; the private key is in this answer and nowhere else."""

    name = "createSSHKeyPair"
    response = NewSshKeyView

    name_: str = param("its name, unique in the account", wire="name")
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> Plain:
        key, pem = ops.make(ctx, self.name_, access.owner(ctx, self.account, self.domain_id))
        return Plain({"keypair": {**ssh_keys(ctx, [key])[0], "privatekey": pem}})


class ListSSHKeyPairs(OwnedList):
    """List SSH key pairs."""

    name = "listSSHKeyPairs"
    response = SshKeyView
    view = staticmethod(ssh_keys)

    id: SshKey | None = param("the key pair", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    fingerprint: str | None = param("its fingerprint", default=None)

    def run(self, ctx: Ctx) -> Page[SshKey]:
        shown = self.scope(ctx, SshKey, by_id=self.id is not None)
        stmt = select(SshKey).where(live(SshKey), shown).order_by(SshKey.id)
        if self.id:
            stmt = stmt.where(SshKey.id == self.id.id)
        if self.name_:
            stmt = stmt.where(SshKey.name == self.name_)
        if self.fingerprint:
            stmt = stmt.where(SshKey.fingerprint == self.fingerprint.lower())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, SshKey.name, SshKey.fingerprint))
        return self.fetch(ctx, stmt)


class DeleteSSHKeyPair(Command):
    """Delete an SSH key pair by name; VMs that have it keep it."""

    name = "deleteSSHKeyPair"

    name_: str = param("its name", wire="name")
    account: str | None = param(_OF, default=None)
    domain_id: Domain | None = param(_IN, default=None)

    def run(self, ctx: Ctx) -> Success:
        owner = access.owner(ctx, self.account, self.domain_id)
        ops.delete(ctx, self.name_, owner, ctx.s.get_one(Domain, owner.domain_id).uuid)
        return Success()


COMMANDS = (RegisterSSHKeyPair, CreateSSHKeyPair, ListSSHKeyPairs, DeleteSSHKeyPair)
