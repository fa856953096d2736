"""Network ACL lists and their items."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import by_uuid, live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Exists, InUse
from tegar.model.rule import Protocol, RuleState
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.vpc import must_be_enabled
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules, ref
from tegar.saga.rule_change import CHANGE_RULES, Change, ChangeRules, write
from tegar.store import acls, routers
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.gateways import PrivateGateway
from tegar.store.networks import Network
from tegar.store.stock import stock_uuid
from tegar.store.vpcs import Vpc

MAX_NUMBER = 65_535
PORTS = (Protocol.TCP, Protocol.UDP)
CHANGES = (
    "number", "allow", "inbound", "protocol", "protocol_number", "first_port", "last_port", "icmp_type", "icmp_code",
    "cidrs", "reason", "shown",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What a caller says of an item; None: nothing."""

    protocol: str | None = None
    cidrs: list[str] | None = None
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    number: int | None = None
    allow: bool | None = None
    inbound: bool | None = None
    reason: str | None = None
    shown: bool | None = None


def seed(s: Session) -> None:
    """Write the stock lists that are missing, with their two items each."""
    for name, allow in ((acls.ALLOW, True), (acls.DENY, False)):
        if by_uuid(s, NetworkAclList, stock_uuid(NetworkAclList, name)) is not None:
            continue
        text = f"{'Allow' if allow else 'Deny'} all inbound and outbound traffic"
        made = NetworkAclList(uuid=stock_uuid(NetworkAclList, name), name=name, description=text)
        s.add(made)
        s.flush()
        for number, inbound in ((1, True), (2, False)):
            uuid = stock_uuid(NetworkAclItem, f"{name}/{number}")
            s.add(NetworkAclItem(uuid=uuid, list_id=made.id, state=RuleState.ACTIVE, number=number, allow=allow,
                                 inbound=inbound, protocol=Protocol.ALL))  # fmt: skip
        s.flush()


# ── lists ──


def create_list(ctx: Ctx, vpc: Vpc, name: str, description: str | None, *, shown: bool) -> NetworkAclList:
    """Make an empty list for tiers of a VPC; an empty list denies all.

    Raises:
        Exists: the VPC has one of that name.
        Refused: the VPC is being deleted.
    """
    must_operate(ctx, vpc)
    ctx.s.execute(select(Vpc.id).where(Vpc.id == vpc.id).with_for_update())
    must_be_enabled(vpc)
    same = select(NetworkAclList.id).where(
        NetworkAclList.vpc_id == vpc.id, NetworkAclList.name == name, live(NetworkAclList)
    )
    if ctx.s.scalars(same).first():
        raise Exists(f"network ACL list of VPC {vpc.name}", name)
    made = NetworkAclList(
        name=name,
        description=description or name,
        vpc_id=vpc.id,
        account_id=vpc.account_id,
        domain_id=vpc.domain_id,
        shown=shown,
    )
    ctx.s.add(made)
    ctx.s.flush()
    ctx.note("NETWORK.ACL.CREATE", f"Network ACL list {name} of VPC {vpc.name} created", made)
    return made


def change_list(
    ctx: Ctx, found: NetworkAclList, *, name: str | None, text: str | None, shown: bool | None
) -> None:
    """Change what a list is called and whether it is shown."""
    must_be_ours(ctx, found)
    found.name, found.description = name or found.name, text or found.description
    found.shown = found.shown if shown is None else shown
    ctx.note("NETWORK.ACL.UPDATE", f"Network ACL list {found.name} changed", found)


def delete_list(ctx: Ctx, found: NetworkAclList) -> None:
    """Forget a list and its items.

    Raises:
        Refused: it is a stock list.
        InUse: a tier or a private gateway has it.
    """
    must_be_ours(ctx, found)
    _alone(ctx, found)
    used = select(Network.name).where(Network.acl_list_id == found.id, live(Network))
    tier = ctx.s.scalars(used).first()
    if tier:
        raise InUse(f"Network ACL list {found.name}", f"tier {tier} has it")
    gateway = select(PrivateGateway.ip).where(PrivateGateway.acl_list_id == found.id, live(PrivateGateway))
    ip = ctx.s.scalars(gateway).first()
    if ip:
        raise InUse(f"Network ACL list {found.name}", f"private gateway {ip} has it")
    for item in (*acls.items(ctx.s, found.id), found):
        item.removed_s = ctx.now_s
    ctx.note("NETWORK.ACL.DELETE", f"Network ACL list {found.name} deleted", found)


def must_be_ours(ctx: Ctx, found: NetworkAclList) -> None:
    """Refuse to change what is somebody else's, or everybody's.

    Raises:
        Refused: it is a stock list.
        Denied: somebody else's.
    """
    if found.vpc_id is None:
        raise Refused(
            f"Network ACL list {found.name} is a stock list: it cannot be changed; make one of the VPC's"
        )
    must_operate(ctx, found)


def must_be_for(found: NetworkAclList, vpc_id: int) -> None:
    """Refuse a list of another VPC.

    Raises:
        Refused: it is.
    """
    if found.vpc_id not in (None, vpc_id):
        raise Refused(f"Network ACL list {found.name} is of another VPC")


def _alone(ctx: Ctx, found: NetworkAclList) -> Vpc:
    """Make this transaction the only one that changes ACLs of a list's VPC; return the VPC."""
    stmt = select(Vpc).where(Vpc.id == found.vpc_id).with_for_update()
    return ctx.s.scalars(stmt).one()


def replace(ctx: Ctx, found: NetworkAclList, target: Network | PrivateGateway) -> SagaRow:
    """Give a tier or a private gateway another list; done when the routers obey it.

    Raises:
        Refused: the list is of another VPC, or the network is no tier.
    """
    must_operate(ctx, target)
    if target.vpc_id is None:
        raise Refused("The network is not a tier of a VPC; only tiers and private gateways have network ACLs")
    must_be_for(found, target.vpc_id)
    vpc = ctx.s.get_one(Vpc, target.vpc_id)
    if isinstance(target, Network) and target.acl_list_id is None:
        raise Refused(f"Tier {target.name} has no network ACLs: its offering does not have NetworkACL")
    noun = "network" if isinstance(target, Network) else "gateway"
    changed = write(target, noun, acl_list_id=found.id)
    ctx.note("NETWORK.ACL.REPLACE", f"Network ACL list {found.name} is in force", target)
    return _change(ctx, vpc, (changed,), None)


# ── items ──


def create(ctx: Ctx, found: NetworkAclList, line: Line) -> SagaRow:
    """Write an item; done when the routers obey it.

    Raises:
        BadParameter: protocol, ports, ICMP or CIDRs make no sense.
        Refused: the number is taken, or the list is a stock list.
    """
    must_be_ours(ctx, found)
    vpc = _alone(ctx, found)
    item = NetworkAclItem(
        list_id=found.id,
        account_id=found.account_id,
        domain_id=found.domain_id,
        number=line.number or acls.last_number(ctx.s, found.id) + 1,
        allow=True,
        inbound=True,
    )
    _write(item, line)
    _must_be_free(ctx, item)
    ctx.s.add(item)
    ctx.s.flush()
    ctx.note("NETWORK.ACL.ITEM.CREATE", f"Item {item.number} of network ACL list {found.name} created", item)
    return _apply(ctx, vpc, item)


def change(ctx: Ctx, item: NetworkAclItem, line: Line, *, partial: bool) -> SagaRow:
    """Change an item; what is not said stays (*partial*), or is as in a new one.

    Raises:
        BadParameter: protocol, ports, ICMP or CIDRs make no sense.
        Refused: the number is taken, or the list is a stock list.
    """
    found = ctx.s.get_one(NetworkAclList, item.list_id)
    must_be_ours(ctx, found)
    vpc = _alone(ctx, found)
    _must_stay(item)
    before = _values(item)
    if not partial:
        item.first_port = item.last_port = item.icmp_type = item.icmp_code = None
        item.cidrs = item.cidrs if line.cidrs is not None else ""
    item.number = line.number or item.number
    _write(item, line)
    _must_be_free(ctx, item)
    ctx.s.flush()
    ctx.note("NETWORK.ACL.ITEM.UPDATE", f"Item {item.number} of network ACL list {found.name} changed", item)
    return _change(ctx, vpc, _changes([(item, before)]), item)


def delete(ctx: Ctx, item: NetworkAclItem) -> SagaRow:
    """Ask for an item to be removed; done when the routers do without it.

    Raises:
        Refused: the list is a stock list.
    """
    found = ctx.s.get_one(NetworkAclList, item.list_id)
    must_be_ours(ctx, found)
    vpc = _alone(ctx, found)
    _must_stay(item)
    item.state = RuleState.REVOKE
    ctx.note("NETWORK.ACL.ITEM.DELETE", f"Deleting item {item.number} of network ACL list {found.name}", item)
    return _apply(ctx, vpc, item)


def move(
    ctx: Ctx, item: NetworkAclItem, after: NetworkAclItem | None, before: NetworkAclItem | None
) -> SagaRow:
    """Put an item between two others of its list; those that follow move on where there is no gap.

    Raises:
        Refused: neither is named, they are not of the list or not next to each other.
    """
    found = ctx.s.get_one(NetworkAclList, item.list_id)
    must_be_ours(ctx, found)
    vpc = _alone(ctx, found)
    _must_stay(item)
    rest = [i for i in acls.items(ctx.s, found.id) if i.id != item.id]
    at = _place(rest, after, before)
    rest.insert(at, item)
    floor = rest[at - 1].number if at else 0
    was = [(each, _values(each)) for each in rest]
    for each in rest[at:]:
        if each is not item and each.number > floor:
            break
        each.number = floor = floor + 1
    ctx.s.flush()
    if floor > MAX_NUMBER:
        raise Refused(f"Network ACL list {found.name} has no numbers left at that place")
    ctx.note("NETWORK.ACL.ITEM.MOVE", f"Item of network ACL list {found.name} moved to {item.number}", item)
    return _change(ctx, vpc, _changes(was), item)


def _place(rest: list[NetworkAclItem], after: NetworkAclItem | None, before: NetworkAclItem | None) -> int:
    """Return before which of the others an item comes."""
    ids = [i.id for i in rest]
    if after is None and before is None:
        raise Refused("Say previousaclruleid, nextaclruleid or both: where the item is moved to")
    for other in (after, before):
        if other is not None and other.id not in ids:
            raise Refused("previousaclruleid and nextaclruleid must be other items of the same list")
    at = ids.index(after.id) + 1 if after is not None else ids.index(before.id) if before is not None else 0
    if before is not None and (at >= len(ids) or ids[at] != before.id):
        raise Refused("The items of previousaclruleid and nextaclruleid are not next to each other")
    return at


def _apply(ctx: Ctx, vpc: Vpc, item: NetworkAclItem) -> SagaRow:
    routers.want_again(ctx.s, vpc.group_id)
    return APPLY_RULES.submit(ctx.s, ApplyRules((vpc.group_id,), (ref(item),)), ctx.job(item))


def _change(ctx: Ctx, vpc: Vpc, changes: tuple[Change, ...], about: NetworkAclItem | None) -> SagaRow:
    ctx.s.flush()
    routers.want_again(ctx.s, vpc.group_id)
    return CHANGE_RULES.submit(ctx.s, ChangeRules((vpc.group_id,), changes), ctx.job(about))


def _values(item: NetworkAclItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in CHANGES}


def _changes(before: list[tuple[NetworkAclItem, dict[str, Any]]]) -> tuple[Change, ...]:
    """Return what is not as it was, item by item."""
    found = []
    for item, was in before:
        now = _values(item)
        names = [name for name in CHANGES if was[name] != now[name]]
        if names:
            found.append(Change("acl", item.id, {n: was[n] for n in names}, {n: now[n] for n in names}))
    return tuple(found)


def _must_stay(item: NetworkAclItem) -> None:
    if item.state == RuleState.REVOKE:
        raise Refused(f"Item {item.number} is being deleted")


def _must_be_free(ctx: Ctx, item: NetworkAclItem) -> None:
    if not 1 <= item.number <= MAX_NUMBER:
        raise BadParameter("number", f"{item.number} is not between 1 and {MAX_NUMBER}")
    same = select(NetworkAclItem.id).where(
        NetworkAclItem.list_id == item.list_id, NetworkAclItem.number == item.number, live(NetworkAclItem)
    )
    with ctx.s.no_autoflush:
        if any(other != item.id for other in ctx.s.scalars(same)):
            raise Refused(f"The list has an item with number {item.number} already; numbers are unique")


def _write(item: NetworkAclItem, line: Line) -> None:
    """Put what was said into an item and check the whole."""
    if line.protocol is not None:
        item.protocol, item.protocol_number = protocol_of(line.protocol)
    if line.cidrs is not None:
        item.cidrs = ",".join(map(_cidr, line.cidrs))
    for name in ("first_port", "last_port", "icmp_type", "icmp_code", "allow", "inbound", "reason", "shown"):
        value = getattr(line, name)
        if value is not None:
            setattr(item, name, value)
    _check_ports(item)
    _check_icmp(item)


def protocol_of(text: str) -> tuple[Protocol, int | None]:
    """Return the protocol of a name or a number.

    Raises:
        BadParameter: it is none.
    """
    name = {"6": "tcp", "17": "udp", "1": "icmp", "-1": "all"}.get(text.strip(), text.strip().lower())
    if name.isdigit() and int(name) <= 255:
        return Protocol.NUMBER, int(name)
    if name in (*PORTS, Protocol.ICMP, Protocol.ALL):
        return Protocol(name), None
    raise BadParameter("protocol", f"{text[:20]!r} is not tcp, udp, icmp, all or a number from 0 to 255")


def _cidr(text: str) -> str:
    try:
        return str(IPv4Network(text.strip(), strict=False))
    except ValueError:
        raise BadParameter("cidrlist", f"{text[:40]!r} is not a CIDR, such as 10.1.0.0/16") from None


def _check_ports(item: NetworkAclItem) -> None:
    if item.protocol not in PORTS:
        if item.first_port is not None or item.last_port is not None:
            raise BadParameter("startport", f"protocol {item.protocol.value} has no ports")
        return
    if item.first_port is None and item.last_port is not None:
        raise BadParameter("startport", "endport needs startport")
    if item.first_port is not None and item.last_port is None:
        item.last_port = item.first_port
    for name, port in (("startport", item.first_port), ("endport", item.last_port)):
        if port is not None and not 1 <= port <= 65_535:
            raise BadParameter(name, f"{port} is not a port from 1 to 65535")
    if item.first_port is not None and item.last_port is not None and item.first_port > item.last_port:
        raise BadParameter("startport", f"{item.first_port} must not be after endport {item.last_port}")


def _check_icmp(item: NetworkAclItem) -> None:
    if item.protocol != Protocol.ICMP:
        if item.icmp_type is not None or item.icmp_code is not None:
            raise BadParameter("icmptype", f"protocol {item.protocol.value} has no ICMP type and code")
        return
    for name in ("icmp_type", "icmp_code"):
        value = getattr(item, name)
        if value is not None and not -1 <= value <= 255:
            raise BadParameter(name.replace("_", ""), f"{value} is not between -1 (all) and 255")
        if value == -1:
            setattr(item, name, None)
