"""The lab's cables: switches in a namespace of their own, and a veth pair for each plug.

The namespace ``<prefix>-sw`` holds one bridge a network.  A host's end of a cable is made inside
the host's namespace, so nothing of a host is ever seen on the machine itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tegar.lab.command import must, run
from tegar.lab.topology import GUEST, MGMT, NETWORKS, PUBLIC, Topology


@dataclass(frozen=True)
class Plug:
    """One cable into a node.

    Attributes:
        network: the network at the far end.
        interface: its name in the node.
        address: address and prefix length, or None.
        bridge: the bridge in the node it is a port of, or None.
        switched: the bridge is one of Open vSwitch, which makes it and takes the port by itself.
    """

    network: str
    interface: str
    address: str | None = None
    bridge: str | None = None
    switched: bool = False


def _batch(into: Sequence[str], lines: Sequence[str]) -> None:
    must([*into, "ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def _new_bridge(name: str) -> list[str]:
    """Return what makes a bridge that forwards at once and has no address, not even of IPv6."""
    return [
        f"link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"link set {name} addrgenmode none",
        f"link set {name} up",
    ]


def _in_switch(topology: Topology) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{topology.switch}"]


def _offload_off(into: Sequence[str], interface: str) -> None:
    """Make the interface fill in checksums: a DHCP client that reads raw frames checks them."""
    run([*into, "ethtool", "-K", interface, "tx", "off", "rx", "off"])


def lay_switches(topology: Topology) -> None:
    """Make the switches and the machine's own cables to them; what is there stays."""
    if topology.switch not in _netns_names():
        must(["ip", "netns", "add", topology.switch])
    here = _in_switch(topology)
    have = _links(here)
    for network in NETWORKS:
        if network not in have:
            _batch(here, _new_bridge(network))
    _batch(here, ["link set lo up"])
    for network in (MGMT, GUEST, PUBLIC):
        _lay_uplink(topology, network)
    _lay_outside(topology)


def _lay_outside(topology: Topology) -> None:
    """Make the world outside: a namespace that has the public gateway's address, and knows no other network."""
    if topology.outside not in _netns_names():
        must(["ip", "netns", "add", topology.outside])
    inside = ["nsenter", f"--net=/run/netns/{topology.outside}"]
    if "public0" not in _links(inside):
        run([*_in_switch(topology), "ip", "link", "del", "outside"])
        _batch(_in_switch(topology), ["link add outside type veth peer name outside1",
                                      f"link set outside1 name public0 netns {topology.outside}",
                                      f"link set outside master {PUBLIC} up"])  # fmt: skip
    length = topology.cidr(PUBLIC).prefixlen
    _batch(inside, ["link set lo up", f"addr replace {topology.public_gateway}/{length} dev public0",
                    "link set public0 up"])  # fmt: skip
    _offload_off(inside, "public0")
    _offload_off(_in_switch(topology), "outside")


def _lay_uplink(topology: Topology, network: str) -> None:
    name, far = topology.uplink(network), f"up-{network}"
    if name not in _links([]):
        _batch([], [f"link add {name} type veth peer name {far} netns {topology.switch}"])
    _batch(_in_switch(topology), [f"link set {far} master {network} up"])
    length = topology.cidr(network).prefixlen
    own = topology.public_address if network == PUBLIC else topology.gateway(network)
    _batch([], [f"addr replace {own}/{length} dev {name}", f"link set {name} up"])
    _offload_off([], name)


def plug_in(
    topology: Topology, node: str, init_pid: int, plugs: Sequence[Plug], cut: Collection[str] = ()
) -> None:
    """Give a node all its cables; what it has stays.

    Args:
        topology: the lab.
        node: the node's name.
        init_pid: its first process.
        plugs: all the cables it should have.
        cut: the networks whose cables are cut at the switch.
    """
    inside = ["nsenter", "--target", str(init_pid), "--net"]
    switch = _in_switch(topology)
    have = _links(inside)
    _batch(inside, ["link set lo up"])
    for plug in plugs:
        bridge = None if plug.switched else plug.bridge
        if bridge and bridge not in have:
            _batch(inside, _new_bridge(bridge))
        if plug.interface in have:
            continue
        far = f"{node}-{plug.network}"
        if far in _links(switch):  # left from before a power cut
            run([*switch, "ip", "link", "del", far])
        carrier = "down" if plug.network in cut else "up"
        _batch(switch, [f"link add {far} type veth peer name {plug.interface} netns {init_pid}",
                        f"link set {far} master {plug.network} {carrier}"])  # fmt: skip
        master = [f"link set {plug.interface} master {bridge}"] if bridge else []
        address = [f"addr add {plug.address} dev {plug.interface}"] if plug.address else []
        _batch(inside, [f"link set {plug.interface} addrgenmode none", *master, *address,
                        f"link set {plug.interface} up"])  # fmt: skip
        _offload_off(inside, plug.interface)
        _offload_off(switch, far)


def unplug(topology: Topology, node: str, plugs: Sequence[Plug]) -> None:
    """Take a node's cables out of the switches; those already gone are no error."""
    switch = _in_switch(topology)
    have = _links(switch)
    for plug in plugs:
        if f"{node}-{plug.network}" in have:
            run([*switch, "ip", "link", "del", f"{node}-{plug.network}"])


MACHINE = "up"
"""What the switches call this machine itself, in place of a node's name."""


def switch_ports(topology: Topology, node: str, networks: Collection[str], *, up: bool) -> None:
    """Switch a node's ports on or off; those of a node without power are no error.

    Args:
        topology: the lab.
        node: the node's name, or ``MACHINE``.
        networks: which networks' cables.
        up: whether frames pass.
    """
    switch = _in_switch(topology)
    have = _links(switch)
    ports = [f"{node}-{network}" for network in networks]
    lines = [f"link set {port} {'up' if up else 'down'}" for port in ports if port in have]
    if lines:
        _batch(switch, lines)


def separate(topology: Topology, pairs: Collection[tuple[str, str]], network: str) -> None:
    """Drop what one node sends another over a network; nothing else changes, and again is no error.

    Args:
        topology: the lab.
        pairs: from which node to which node, by name, ``MACHINE`` for this machine.
        network: over which network.
    """
    ports = ", ".join(f'"{a}-{network}" . "{b}-{network}"' for a, b in sorted(pairs))
    text = f"""
table bridge apart {{
  set pairs {{ type ifname . ifname; }}
  chain forward {{
    type filter hook forward priority 0; policy accept;
  }}
}}
flush chain bridge apart forward
add rule bridge apart forward iifname . oifname @pairs drop
add element bridge apart pairs {{ {ports} }}
"""
    if pairs:
        must([*_in_switch(topology), "nft", "-f", "-"], stdin=text)


def reunite(topology: Topology) -> None:
    """Let every node talk to every other again."""
    run([*_in_switch(topology), "nft", "delete", "table", "bridge", "apart"])


def tear_out(topology: Topology) -> None:
    """Remove the switches and every cable; what is gone is no error."""
    for network in (MGMT, GUEST, PUBLIC):
        if topology.uplink(network) in _links([]):
            run(["ip", "link", "del", topology.uplink(network)])
    for space in {topology.switch, topology.outside} & _netns_names():
        if pids := run(["ip", "netns", "pids", space]).stdout.split():
            run(["kill", "-9", *pids])  # or they keep it alive
        must(["ip", "netns", "del", space])


def _netns_names() -> set[str]:
    return {line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line.strip()}


def _links(into: Sequence[str]) -> set[str]:
    lines = run([*into, "ip", "-o", "link", "show"]).stdout.splitlines()
    return {line.split(":")[1].strip().split("@")[0] for line in lines}
