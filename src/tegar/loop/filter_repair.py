"""Bring filters of NICs to what is desired: hosts that were away, and members of groups that came or went."""

from __future__ import annotations

from tegar.kernel.errors import TegarError
from tegar.saga import nic_filters
from tegar.saga.env import Env


def round(env: Env) -> None:
    """Tell every host that is up and behind; what one says does not keep the others."""
    try:
        nic_filters.obey(env)
    except TegarError:
        return  # it is logged where it happened, and asked again in the next round
