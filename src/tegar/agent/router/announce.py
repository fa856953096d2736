"""Tell segments where a router is now: ``python -m tegar.agent.router.announce NIC IP [NIC IP ...]``, in its namespace.

It may have been on another host a moment ago.  Only the standard library is imported here.
"""

from __future__ import annotations

import socket
import sys


def announce(link: str, ip: str) -> None:
    """Send a gratuitous ARP request for an address."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((link, 0))
        mac, address = s.getsockname()[4], socket.inet_aton(ip)
        arp = bytes.fromhex("0001080006040001") + mac + address + b"\0" * 6 + address
        s.send(b"\xff" * 6 + mac + b"\x08\x06" + arp)


if __name__ == "__main__":
    for link, ip in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        announce(link, ip)
