"""Limits of accounts and domains: this cloud sets none, and clients read them."""

from __future__ import annotations

from typing import TypedDict


class Limits(TypedDict, total=False):
    """What may be used and what is left; a number as text, or ``Unlimited``."""

    vmlimit: str
    vmavailable: str
    cpulimit: str
    cpuavailable: str
    memorylimit: str
    memoryavailable: str
    volumelimit: str
    volumeavailable: str
    primarystoragelimit: str
    primarystorageavailable: str
    secondarystoragelimit: str
    secondarystorageavailable: str
    templatelimit: str
    templateavailable: str
    networklimit: str
    networkavailable: str
    iplimit: str
    ipavailable: str
    snapshotlimit: str
    snapshotavailable: str
    projectlimit: str
    projectavailable: str
    vpclimit: str
    vpcavailable: str


def unlimited() -> Limits:
    """Return no limits."""
    return {
        "vmlimit": FREE, "vmavailable": FREE,
        "cpulimit": FREE, "cpuavailable": FREE,
        "memorylimit": FREE, "memoryavailable": FREE,
        "volumelimit": FREE, "volumeavailable": FREE,
        "primarystoragelimit": FREE, "primarystorageavailable": FREE,
        "secondarystoragelimit": FREE, "secondarystorageavailable": FREE,
        "templatelimit": FREE, "templateavailable": FREE,
        "networklimit": FREE, "networkavailable": FREE,
        "iplimit": FREE, "ipavailable": FREE,
        "snapshotlimit": FREE, "snapshotavailable": FREE,
        "projectlimit": FREE, "projectavailable": FREE,
        "vpclimit": FREE, "vpcavailable": FREE,
    }  # fmt: skip


FREE = "Unlimited"
