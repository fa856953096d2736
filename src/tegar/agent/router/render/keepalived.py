"""Which router of a pair is primary: VRRP on the first guest network and the first uplink, in one group.

A backup becomes primary only when it hears the other on neither side, so a cut on one side makes no second primary;
a router whose NIC is dead on one side leaves both.
"""

from __future__ import annotations

from collections.abc import Iterable

from tegar.agent.router import links
from tegar.agent.router.render.doors import PRIMARY_GROUP
from tegar.model.router import PairSpec, RouterSpec

SILENT_ADVERTS = 2  # takes over within 0.5 s, before a sender of TCP has waited for its third attempt
PREEMPT_S = 3  # a router that has just come up learns the flows of the other before it takes over
CONSTANT = {
    "guest": "169.254.1.5/32",
    "public": "169.254.1.6/32",
}  # adverts must name something that never changes


def conf(spec: RouterSpec, home: str) -> str:
    """Return keepalived's settings for a router of a pair."""
    assert spec.pair is not None
    names = ["guest", *(["public"] if spec.uplinks else [])]
    return (
        "# Rendered by tegar-agent; changes are lost.\n"
        "global_defs {\n"
        "  router_id tegar\n"
        "  vrrp_version 3\n"
        "  vrrp_rt_priority 50\n"
        "  vrrp_no_swap\n"
        "  vrrp_garp_master_delay 1\n"
        "  vrrp_garp_master_repeat 5\n"
        "  vrrp_garp_master_refresh 10\n"
        "  script_user root\n"
        "}\n"
        "vrrp_sync_group router {\n"
        f"  group {{\n{''.join(f'    {name}{chr(10)}' for name in names)}  }}\n"
        f'  notify "/bin/sh {home}/current/role.sh"\n'
        "}\n" + "".join(_instance(spec, spec.pair, name) for name in names)
    )


def _instance(spec: RouterSpec, pair: PairSpec, name: str) -> str:
    own, other, link = _ends(spec, name)
    rows = [
        "state BACKUP",
        f"interface {link}",
        f"virtual_router_id {pair.vrid}",
        f"priority {pair.priority}",
        f"advert_int {pair.advert_s:g}",
        f"down_timer_adverts {SILENT_ADVERTS}",
        f"preempt_delay {PREEMPT_S}",
        f"unicast_src_ip {own}",
        f"unicast_peer {{\n    {other}\n  }}",
    ]
    held = list(_floating(spec, name))
    others = [it.name for it in links.links(spec) if it.name != link] if name == "guest" else []
    rows += [_block("track_interface", others)] if others else []
    rows.append(_block("virtual_ipaddress", [f"{links.ADVERTISED} dev {link}"]))
    rows.append(_block("virtual_ipaddress_excluded", held))
    return f"vrrp_instance {name} {{\n" + "".join(f"  {row}\n" for row in rows) + "}\n"


def _block(name: str, rows: Iterable[str]) -> str:
    return f"{name} {{\n" + "".join(f"    {row}\n" for row in rows) + "  }"


def _ends(spec: RouterSpec, name: str) -> tuple[str, str, str]:
    """Return the own address, the other's and the NIC on which a side is heard."""
    if name == "guest":
        subnet = links.first_subnet(spec)
        return subnet.ip, subnet.peer_ip, links.subnet_link(subnet)
    here = links.side(spec)
    first = min(spec.uplinks, key=lambda uplink: (uplink.private, uplink.network.uuid))
    return links.PUBLIC_OWN[here], links.PUBLIC_OWN[1 - here], links.uplink_link(first)


def _floating(spec: RouterSpec, name: str) -> Iterable[str]:
    start = links.GUEST if name == "guest" else links.PUBLIC
    for link in links.links(spec):
        if link.name.startswith(start):
            yield from (f"{address} dev {link.name}" for address in link.floating)


def role_script(spec: RouterSpec, home: str) -> str:
    """Return what keepalived runs at each change: it notes the role, and lets the primary alone serve leases.

    A new primary has its flows from the other, of whom it knows no more than what changes: it looks at all of them,
    or it would tell the other, when that comes back, of flows in no state at all.
    """
    guests = [link.name for link in links.links(spec) if link.name.startswith(links.GUEST)]
    groups = "".join(f"ip link set {name} group $group\n" for name in guests)
    return (
        "# Rendered by tegar-agent; changes are lost.  Arguments: GROUP name state priority\n"
        "group=0\n"
        'case "$3" in\n'
        f"  MASTER) role=PRIMARY group={PRIMARY_GROUP} ;;\n"
        "  BACKUP) role=BACKUP ;;\n"
        "  *) role=FAULT ;;\n"
        "esac\n"
        f"{groups}"
        f"echo $role > {home}/.role.$$ && mv {home}/.role.$$ {home}/role\n"
        "[ $role = PRIMARY ] || exit 0\n"
        f"conntrackd -C {home}/current/conntrackd.conf -R\n"
        f"conntrackd -C {home}/current/conntrackd.conf -B\n"
    )
