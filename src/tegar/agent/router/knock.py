"""Knock at a TCP port: ``python -m tegar.agent.router.knock IP PORT``, in a router's namespace; 0: it accepts.

Only the standard library is imported here.
"""

from __future__ import annotations

import socket
import sys

PATIENCE_S = 1.5


def accepts(ip: str, port: int) -> bool:
    """Return whether the port accepts a connection within the patience."""
    try:
        socket.create_connection((ip, port), timeout=PATIENCE_S).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if accepts(sys.argv[1], int(sys.argv[2])) else 1)
