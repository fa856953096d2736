"""Every saga, by name: what a runner can run, and what the law is tested on."""

from __future__ import annotations

from typing import Any

from tegar.kernel.saga import Saga
from tegar.saga.address_hold import HOLD_ADDRESS, RELEASE_ADDRESS
from tegar.saga.bmc_password import CHANGE_BMC_PASSWORD
from tegar.saga.bmc_power import POWER_HOST
from tegar.saga.env import Env
from tegar.saga.host_add import ADD_HOST
from tegar.saga.host_delete import DELETE_HOST
from tegar.saga.host_maintain import MAINTAIN_HOST
from tegar.saga.image_store_add import ADD_STORE
from tegar.saga.network_bring_up import BRING_UP_NETWORK
from tegar.saga.network_delete import DELETE_NETWORK
from tegar.saga.network_restart import RESTART_NETWORK
from tegar.saga.network_shutdown import SHUT_DOWN_NETWORK
from tegar.saga.network_single import MAKE_SINGLE
from tegar.saga.nic_add import ADD_NIC
from tegar.saga.nic_address import ADD_ADDRESS, REMOVE_ADDRESS
from tegar.saga.nic_remove import REMOVE_NIC
from tegar.saga.nic_renumber import RENUMBER_NIC
from tegar.saga.pool_add import ADD_POOL
from tegar.saga.pool_delete import DELETE_POOL
from tegar.saga.router_power import REBOOT_ROUTER, START_ROUTER, STOP_ROUTER
from tegar.saga.router_rebuild import REBUILD_ROUTERS
from tegar.saga.rule_apply import APPLY_RULES
from tegar.saga.rule_change import CHANGE_RULES
from tegar.saga.security_apply import APPLY_SECURITY
from tegar.saga.template_delete import DELETE_TEMPLATE
from tegar.saga.template_fetch import FETCH_TEMPLATE
from tegar.saga.vm_deploy import DEPLOY_VM
from tegar.saga.vm_destroy import DESTROY_VM
from tegar.saga.vm_migrate import MIGRATE_VM
from tegar.saga.vm_reboot import REBOOT_VM
from tegar.saga.vm_replace import REPLACE_VM
from tegar.saga.vm_restart import RESTART_VM
from tegar.saga.vm_settle import SETTLE_VM
from tegar.saga.vm_start import START_VM
from tegar.saga.vm_stop import STOP_VM
from tegar.saga.vm_withdraw import WITHDRAW_VM
from tegar.saga.volume_attach import ATTACH_VOLUME
from tegar.saga.volume_delete import DELETE_VOLUME
from tegar.saga.volume_detach import DETACH_VOLUME
from tegar.saga.vpc_delete import DELETE_VPC
from tegar.saga.vpc_restart import RESTART_VPC

_ALL: tuple[Saga[Env, Any], ...] = (
    ADD_STORE,
    APPLY_RULES,
    BRING_UP_NETWORK,
    CHANGE_RULES,
    HOLD_ADDRESS,
    RELEASE_ADDRESS,
    DELETE_NETWORK,
    RESTART_NETWORK,
    MAKE_SINGLE,
    SHUT_DOWN_NETWORK,
    START_ROUTER,
    STOP_ROUTER,
    REBOOT_ROUTER,
    REBUILD_ROUTERS,
    APPLY_SECURITY,
    DELETE_TEMPLATE,
    FETCH_TEMPLATE,
    DELETE_POOL,
    ADD_POOL,
    DELETE_HOST,
    ADD_HOST,
    MAINTAIN_HOST,
    POWER_HOST,
    CHANGE_BMC_PASSWORD,
    DEPLOY_VM,
    START_VM,
    STOP_VM,
    REBOOT_VM,
    RESTART_VM,
    REPLACE_VM,
    WITHDRAW_VM,
    SETTLE_VM,
    MIGRATE_VM,
    DESTROY_VM,
    ATTACH_VOLUME,
    DETACH_VOLUME,
    DELETE_VOLUME,
    ADD_NIC,
    REMOVE_NIC,
    ADD_ADDRESS,
    REMOVE_ADDRESS,
    RENUMBER_NIC,
    DELETE_VPC,
    RESTART_VPC,
)

SAGAS: dict[str, Saga[Env, Any]] = {saga.name: saga for saga in _ALL}
