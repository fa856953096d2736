"""What this cloud can do, as clients ask before they try."""

from __future__ import annotations

from typing import TypedDict

from sqlalchemy import select

from tegar.api import catalogue
from tegar.kernel.db import live
from tegar.model.settings import CUSTOM_ROOT_DISK_MAX_GB
from tegar.ops.ctx import Ctx
from tegar.store.zones import Zone


class CapabilityView(TypedDict, total=False):
    """What this cloud can do; sizes in GB."""

    cloudstackversion: str
    securitygroupsenabled: bool
    dynamicrolesenabled: bool
    userpublictemplateenabled: bool
    supportELB: str
    projectinviterequired: bool
    allowusercreateprojects: bool
    customdiskofferingminsize: int
    customdiskofferingmaxsize: int
    regionsecondaryenabled: bool
    kvmsnapshotenabled: bool
    allowuserviewdestroyedvm: bool
    allowuserexpungerecovervm: bool
    allowuserexpungerecovervolume: bool
    allowuserviewalldomainaccounts: bool
    allowuserforcestopvm: bool
    kubernetesserviceenabled: bool
    kubernetesclusterexperimentalfeaturesenabled: bool
    defaultuipagesize: int
    instancesstatsuseronly: bool
    instancesdisksstatsretentionenabled: bool
    instanceleaseenabled: bool
    dynamicscalingenabled: bool
    additionalconfigenabled: bool


def capability(ctx: Ctx) -> CapabilityView:
    """Return what this cloud can do now."""
    grouped = select(Zone.id).where(Zone.security_groups.is_(True), live(Zone)).limit(1)
    return {
        "cloudstackversion": catalogue.VERSION,
        "securitygroupsenabled": ctx.s.scalars(grouped).first() is not None,
        "dynamicrolesenabled": False,
        "userpublictemplateenabled": True,
        "supportELB": "false",
        "projectinviterequired": False,
        "allowusercreateprojects": False,
        "customdiskofferingminsize": 1,
        "customdiskofferingmaxsize": CUSTOM_ROOT_DISK_MAX_GB.of(ctx.s),
        "regionsecondaryenabled": False,
        "kvmsnapshotenabled": False,
        "allowuserviewdestroyedvm": True,
        "allowuserexpungerecovervm": True,
        "allowuserexpungerecovervolume": False,
        "allowuserviewalldomainaccounts": False,
        "allowuserforcestopvm": True,
        "kubernetesserviceenabled": False,
        "kubernetesclusterexperimentalfeaturesenabled": False,
        "defaultuipagesize": 20,
        "instancesstatsuseronly": False,
        "instancesdisksstatsretentionenabled": False,
        "instanceleaseenabled": False,
        "dynamicscalingenabled": False,
        "additionalconfigenabled": False,
    }
