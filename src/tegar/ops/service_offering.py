"""Service offerings: CPU and memory of VMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import Row
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.access import Role
from tegar.model.errors import Denied
from tegar.model.units import MIB
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.offerings import ServiceOffering

MIN_MEMORY_MIB = 32
_IDS = 255  # characters of a list of ids in a row


@dataclass(frozen=True)
class Size:
    """What a VM of the offering gets; a custom one may say within which bounds the caller chooses."""

    cpus: int | None = None
    cpu_mhz: int | None = None
    memory_mib: int | None = None
    custom: bool | None = None
    min_cpus: int | None = None
    max_cpus: int | None = None
    min_memory_mib: int | None = None
    max_memory_mib: int | None = None

    @property
    def bounds(self) -> tuple[int | None, ...]:
        """Return the four bounds of a custom size."""
        return self.min_cpus, self.max_cpus, self.min_memory_mib, self.max_memory_mib

    @property
    def is_custom(self) -> bool:
        """Whether the caller of a deployment says how large; by default, when something is left open."""
        if self.custom is not None:
            return self.custom
        return None in (self.cpus, self.cpu_mhz, self.memory_mib)


def check(size: Size) -> None:
    """Refuse sizes that contradict themselves.

    Raises:
        Refused: says what would be right.
        BadParameter: too little memory, or a least above the most.
    """
    if size.is_custom:
        _check_custom(size)
    elif any(bound is not None for bound in size.bounds):
        raise Refused("mincpunumber, maxcpunumber, minmemory and maxmemory are for customized offerings")
    elif None in (size.cpus, size.cpu_mhz, size.memory_mib):
        raise Refused("An offering that is not customized needs cpunumber, cpuspeed and memory")
    for name, memory_mib in (("memory", size.memory_mib), ("minmemory", size.min_memory_mib)):
        if memory_mib is not None and memory_mib < MIN_MEMORY_MIB:
            raise BadParameter(name, f"it must be {MIN_MEMORY_MIB} (MB) or more")


def _check_custom(size: Size) -> None:
    if size.cpus is not None or size.memory_mib is not None:
        raise Refused("For a customized offering, leave out cpunumber and memory: whoever deploys gives them")
    given = [size.cpu_mhz, *size.bounds]
    if any(v is not None for v in given) and None in given:
        raise Refused(
            "For a customized offering give all of mincpunumber, maxcpunumber, minmemory, maxmemory and "
            "cpuspeed, or none of them"
        )
    for what, least, most in (
        ("cpunumber", size.min_cpus, size.max_cpus),
        ("memory", size.min_memory_mib, size.max_memory_mib),
    ):
        if least is not None and most is not None and least > most:
            raise BadParameter(f"min{what}", f"it is more than max{what}")


def id_list(rows: Sequence[Row]) -> str:
    """Return row ids as they are kept: ``,1,2,`` or nothing.

    Raises:
        Refused: too many to keep.
    """
    if not rows:
        return ""
    text = "," + ",".join(str(id) for id in sorted({row.id for row in rows})) + ","
    if len(text) > _IDS:
        raise Refused("Too many domains or zones for one offering; name a domain above them")
    return text


def ids_of(text: str) -> list[int]:
    """Return the row ids that are kept as ``,1,2,``."""
    return [int(part) for part in text.split(",") if part]


def create(ctx: Ctx, offering: ServiceOffering, size: Size) -> ServiceOffering:
    """Make an offering of a size.

    Raises:
        Refused: the size contradicts itself.
        BadParameter: a number is out of range, or the name is empty.
        Denied: a domain's administrator must say for which domains.
    """
    check(size)
    if not offering.name.strip():
        raise BadParameter("name", "it must not be empty")
    if not ctx.is_admin and not offering.domain_ids:
        raise Denied("A domain administrator can only create offerings for domains: give domainid")
    offering.custom = size.is_custom
    offering.cpus, offering.cpu_mhz, offering.memory_bytes = size.cpus, size.cpu_mhz, _bytes(size.memory_mib)
    offering.min_cpus, offering.max_cpus = size.min_cpus, size.max_cpus
    offering.min_memory_bytes, offering.max_memory_bytes = (
        _bytes(size.min_memory_mib),
        _bytes(size.max_memory_mib),
    )
    ctx.s.add(offering)
    ctx.s.flush()
    ctx.note("SERVICE.OFFERING.CREATE", f"Service offering {offering.name} created", offering)
    return offering


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib * MIB


def delete(ctx: Ctx, offering: ServiceOffering) -> None:
    """Offer it no more; VMs that have it keep it.

    Raises:
        Denied: it is offered beyond the domains of a domain's administrator.
    """
    if ctx.role != Role.ADMIN:
        ids = ids_of(offering.domain_ids)
        paths = ctx.s.scalars(select(Domain.path).where(Domain.id.in_(ids))).all()
        if not paths or not all(path.startswith(ctx.domain.path) for path in paths):
            raise Denied(f"Service offering {offering.name} belongs to others too")
    offering.removed_s = ctx.now_s
    ctx.note("SERVICE.OFFERING.DELETE", f"Service offering {offering.name} deleted", offering)
