"""Affinity: which VMs must, or had better, run apart or together."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a group wants of its VMs; the values are the API's types."""

    APART = "host anti-affinity"
    TOGETHER = "host affinity"
    RATHER_APART = "non-strict host anti-affinity"
    RATHER_TOGETHER = "non-strict host affinity"


STRICT = frozenset({Kind.APART, Kind.TOGETHER})
