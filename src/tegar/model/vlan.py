"""VLANs and VXLANs as operators write them: ``untagged`` or a number, with or without ``vlan://``."""

from __future__ import annotations

import re

from tegar.kernel.errors import BadParameter

UNTAGGED = "untagged"
LOWEST, HIGHEST = 1, 4094
HIGHEST_VXLAN = 16_777_215
_RANGE = re.compile(r"(\d{1,8})-(\d{1,8})")


def highest(isolation: str) -> int:
    """Return the highest id of a physical network's isolation method."""
    return HIGHEST_VXLAN if isolation == "VXLAN" else HIGHEST


def normal(text: str, name: str = "vlan", *, most: int = HIGHEST) -> str:
    """Return ``untagged`` or the number as text.

    Raises:
        BadParameter: it is neither.
    """
    plain = text.strip().lower().removeprefix("vlan://").removeprefix("vxlan://")
    if plain == UNTAGGED:
        return UNTAGGED
    if not plain.isdigit() or not LOWEST <= int(plain) <= most:
        raise BadParameter(name, f"{text[:40]!r} is neither untagged nor a VLAN from {LOWEST} to {most}")
    return str(int(plain))


def tag(vlan: str) -> int | None:
    """Return the tag of a VLAN in normal form, None for untagged or none."""
    return int(vlan) if vlan.isdigit() else None


def uri(vlan: str, broadcast: str = "Vlan") -> str:
    """Return a segment in normal form as the protocol's address: ``vlan://100`` or ``vxlan://5000``."""
    return f"{broadcast.lower()}://{vlan}"


def ranges(text: str, name: str = "vlan", *, most: int = HIGHEST) -> str:
    """Return ranges as they are written best, sorted, what touches joined: ``100-200,300-310``.

    Raises:
        BadParameter: one is no range of ids.
    """
    found = []
    for part in (p.strip() for p in text.split(",")):
        match = _RANGE.fullmatch(part if "-" in part else f"{part}-{part}")
        if not match or not LOWEST <= int(match[1]) <= int(match[2]) <= most:
            raise BadParameter(
                name, f"{part[:40]!r} is no range of VLANs from {LOWEST} to {most}, such as 100-200"
            )
        found.append((int(match[1]), int(match[2])))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return ",".join(f"{first}-{last}" for first, last in joined)


def spans(text: str) -> list[tuple[int, int]]:
    """Return ranges in normal form as pairs of first and last."""
    return [(int(p.partition("-")[0]), int(p.partition("-")[2])) for p in text.split(",") if p]


def within(text: str, number: int) -> bool:
    """Return whether ranges in normal form hold a number."""
    return any(first <= number <= last for first, last in spans(text))
