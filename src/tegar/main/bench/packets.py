"""Ends of measurements, each a process in a namespace: ``python -m tegar.main.bench.packets ROLE ...``.

``sink PORT`` reads what anybody sends; ``pour IP PORT SECONDS`` sends for so long and prints bytes and the longest
wait for the other end as JSON; ``connect IP PORT SECONDS`` opens, greets and closes, and prints how often.
Only the standard library is imported here.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

BLOCK = bytes(1 << 17)
GREETING = b"hello"


def sink(port: int) -> None:
    """Read from everybody; greet back whoever greets."""
    with socket.create_server(("", port), backlog=1024) as s:
        print("ready", flush=True)
        while True:
            conn, _ = s.accept()
            first = conn.recv(len(GREETING))
            if first == GREETING:
                conn.sendall(GREETING)
                conn.close()
            else:
                threading.Thread(target=_drain, args=(conn,), daemon=True).start()


def _drain(conn: socket.socket) -> None:
    with conn:
        while conn.recv(1 << 20):
            pass


def pour(ip: str, port: int, seconds: float) -> None:
    """Send as fast as the other end reads."""
    sent, longest_s = 0, 0.0
    with socket.create_connection((ip, port), timeout=60) as s:
        began_s = now_s = time.monotonic()
        while now_s - began_s < seconds:
            s.sendall(BLOCK)
            sent += len(BLOCK)
            longest_s, now_s = max(longest_s, time.monotonic() - now_s), time.monotonic()
    print(json.dumps({"per_s": sent / (now_s - began_s), "longest_wait_s": longest_s}))


def connect(ip: str, port: int, seconds: float) -> None:
    """Open one connection after the other."""
    began_s, count, failed = time.monotonic(), 0, 0
    while time.monotonic() - began_s < seconds:
        try:
            with socket.create_connection((ip, port), timeout=5) as s:
                s.sendall(GREETING)
                fine = s.recv(len(GREETING)) == GREETING
                s.recv(1)  # the other end closes first: it keeps the port of the connection that was, not we
        except OSError:
            fine = False
        count, failed = count + fine, failed + (not fine)
    print(json.dumps({"per_s": count / (time.monotonic() - began_s), "failed": failed}))


if __name__ == "__main__":
    role, *args = sys.argv[1:]
    if role == "sink":
        sink(int(args[0]))
    else:
        {"pour": pour, "connect": connect}[role](args[0], int(args[1]), float(args[2]))
