"""TLS certificates."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, Success
from tegar.api.commands.where import only
from tegar.api.views.certificate import SslCertView, ssl_certs
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops import certificate as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.balancers import LoadBalancer
from tegar.store.certificates import SslCert

_LONG = 65_536


class UploadSslCert(Command):
    """Keep a certificate with its key for load balancers; the key is never shown again."""

    name = "uploadSslCert"
    response = SslCertView
    view = staticmethod(ssl_certs)

    name_: str = param("its name, unique in the account", wire="name")
    certificate: str = param("the certificate, PEM", max_length=_LONG)
    private_key: str = param("its key, PEM: RSA or elliptic curve", max_length=_LONG, secret=True)
    cert_chain: str = param(
        "the certificates above it, PEM, each signed by the next", default="", max_length=_LONG
    )
    password: str = param("what opens the key", default="", secret=True)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)

    def run(self, ctx: Ctx) -> SslCert:
        owner = access.owner(ctx, self.account, self.domain_id)
        return ops.upload(
            ctx,
            owner,
            name=self.name_,
            certificate=self.certificate,
            key=self.private_key,
            chain=self.cert_chain,
            password=self.password,
        )


class DeleteSslCert(Command):
    """Forget a certificate that no load balancer shows."""

    name = "deleteSslCert"

    id: SslCert = param("the certificate")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


class ListSslCerts(OwnedList):
    """List certificates."""

    name = "listSslCerts"
    response = SslCertView
    view = staticmethod(ssl_certs)

    cert_id: SslCert | None = param("the certificate", default=None)
    account_id: Account | None = param("of this account", default=None)
    lb_rule_id: LoadBalancer | None = param("that this load balancer shows", default=None, wire="lbruleid")

    def run(self, ctx: Ctx) -> Page[SslCert]:
        row = SslCert
        one = self.cert_id is not None or self.account_id is not None or self.lb_rule_id is not None
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=one)).order_by(row.id)
        stmt = only(stmt, (row.id, self.cert_id), (row.account_id, self.account_id))
        if self.lb_rule_id is not None:
            stmt = stmt.where(row.id == self.lb_rule_id.cert_id)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class AssignCertToLoadBalancer(Command):
    """Let a load balancer of protocol ssl show a certificate."""

    name = "assignCertToLoadBalancer"
    is_async = True

    cert_id: SslCert = param("the certificate")
    lb_rule_id: LoadBalancer = param("the load balancer", wire="lbruleid")
    forced: bool = param("also when it shows another", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.assign(ctx, self.cert_id, self.lb_rule_id, forced=self.forced)


class RemoveCertFromLoadBalancer(Command):
    """Let a load balancer show no certificate; it serves nobody until it has another."""

    name = "removeCertFromLoadBalancer"
    is_async = True

    lb_rule_id: LoadBalancer = param("the load balancer", wire="lbruleid")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.withdraw(ctx, self.lb_rule_id)


COMMANDS: tuple[type[Command], ...] = (
    UploadSslCert,
    DeleteSslCert,
    ListSslCerts,
    AssignCertToLoadBalancer,
    RemoveCertFromLoadBalancer,
)
