"""SSH key pairs, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import load
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.keys import SshKey


class SshKeyView(TypedDict, total=False):
    """A key pair; its fingerprint is MD5 in colon form."""

    id: str
    name: str
    fingerprint: str
    account: str
    domainid: str
    domain: str
    hasannotations: bool


class NewSshKeyView(SshKeyView, total=False):
    """A key pair that was made here; the private key is shown this once."""

    privatekey: str


def ssh_keys(ctx: Ctx, rows: Sequence[SshKey]) -> list[SshKeyView]:
    """Return key pairs."""
    accounts = load(ctx.s, Account, (k.account_id for k in rows))
    domains = load(ctx.s, Domain, (k.domain_id for k in rows))
    return [
        {
            "id": k.uuid,
            "name": k.name,
            "fingerprint": k.fingerprint,
            "account": accounts[k.account_id].name,
            "domainid": domains[k.domain_id].uuid,
            "domain": domains[k.domain_id].name,
            "hasannotations": False,
        }
        for k in rows
    ]
