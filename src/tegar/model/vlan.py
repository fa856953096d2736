"""VLANs as operators write them: ``untagged`` or a number, with or without ``vlan://``."""

from __future__ import annotations

import re

from tegar.kernel.errors import BadParameter

UNTAGGED = "untagged"
LOWEST, HIGHEST = 1, 4094
_RANGE = re.compile(r"(\d{1,4})-(\d{1,4})")


def normal(text: str, name: str = "vlan") -> str:
    """Return ``untagged`` or the number as text.

    Raises:
        BadParameter: it is neither.
    """
    plain = text.strip().lower().removeprefix("vlan://")
    if plain == UNTAGGED:
        return UNTAGGED
    if not plain.isdigit() or not LOWEST <= int(plain) <= HIGHEST:
        raise BadParameter(name, f"{text[:40]!r} is neither untagged nor a VLAN from {LOWEST} to {HIGHEST}")
    return str(int(plain))


def tag(vlan: str) -> int | None:
    """Return the tag of a VLAN in normal form, None for untagged."""
    return None if vlan == UNTAGGED else int(vlan)


def uri(vlan: str) -> str:
    """Return a VLAN in normal form as the protocol's address: ``vlan://100``."""
    return f"vlan://{vlan}"


def ranges(text: str, name: str = "vlan") -> str:
    """Return ranges of VLANs as they are written best: ``100-200,300-310``.

    Raises:
        BadParameter: one is no range of VLANs.
    """
    found = []
    for part in (p.strip() for p in text.split(",")):
        match = _RANGE.fullmatch(part if "-" in part else f"{part}-{part}")
        if not match or not LOWEST <= int(match[1]) <= int(match[2]) <= HIGHEST:
            raise BadParameter(
                name, f"{part[:40]!r} is no range of VLANs from {LOWEST} to {HIGHEST}, such as 100-200"
            )
        found.append(f"{int(match[1])}-{int(match[2])}")
    return ",".join(found)
