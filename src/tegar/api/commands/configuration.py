"""Configuration."""

from __future__ import annotations

from tegar.api.commands.base import List
from tegar.api.views.configuration import ConfigurationView, configurations
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.errors import MissingParameter
from tegar.kernel.page import Page, paging
from tegar.model.settings import SETTINGS
from tegar.ops import configuration as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.pools import Pool
from tegar.store.zones import Cluster, Zone


class ListConfigurations(List):
    """List the settings of the cloud, or those that can be set for one zone, cluster and so on."""

    name = "listConfigurations"
    roles = ADMIN
    response = ConfigurationView
    view = staticmethod(configurations)

    name_: str | None = param("the setting's exact name", default=None, wire="name")
    category: str | None = param("of this category", default=None)
    zone_id: Zone | None = param("as they are in this zone", default=None)
    cluster_id: Cluster | None = param("as they are in this cluster", default=None)
    storage_id: Pool | None = param("as they are for this storage pool", default=None)
    domain_id: Domain | None = param("as they are for this domain", default=None)
    account_id: Account | None = param("as they are for this account", default=None)

    def run(self, ctx: Ctx) -> Page[ops.Value]:
        scope = ops.scope_of(
            zone=self.zone_id,
            cluster=self.cluster_id,
            storagepool=self.storage_id,
            domain=self.domain_id,
            account=self.account_id,
        )
        text = (self.keyword or "").lower()
        found = [
            setting
            for name, setting in sorted(SETTINGS.items())
            if (not self.name_ or name == self.name_)
            and (not self.category or setting.category.lower() == self.category.lower())
            and (scope.name in ("global", setting.scope))
            and (text in name.lower() or text in setting.help.lower())
        ]
        page = paging(self.page, self.pagesize)
        until = None if page.size is None else page.first + page.size
        return Page(ops.values(ctx, found[page.first : until], scope), len(found))


class UpdateConfiguration(Command):
    """Change a setting; it takes effect at once."""

    name = "updateConfiguration"
    roles = ADMIN
    response = ConfigurationView
    view = staticmethod(configurations)

    name_: str = param("the setting's name", wire="name")
    value: str | None = param("its value", default=None, max_length=4096)
    zone_id: Zone | None = param("only in this zone", default=None)
    cluster_id: Cluster | None = param("only in this cluster", default=None)
    storage_id: Pool | None = param("only for this storage pool", default=None)
    domain_id: Domain | None = param("only for this domain", default=None)
    account_id: Account | None = param("only for this account", default=None)

    def run(self, ctx: Ctx) -> ops.Value:
        if self.value is None:
            raise MissingParameter(self.name.lower(), "value")
        scope = ops.scope_of(
            zone=self.zone_id,
            cluster=self.cluster_id,
            storagepool=self.storage_id,
            domain=self.domain_id,
            account=self.account_id,
        )
        return ops.update(ctx, self.name_, scope, self.value)


COMMANDS = (ListConfigurations, UpdateConfiguration)
