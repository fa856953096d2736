"""A talking and an asking end for packet tests: each says whom it sees, over TCP or UDP.

``python peers.py serve NAME tcp PORT`` answers everybody with ``NAME`` and the asker's address;
``python peers.py ask tcp IP PORT SECONDS`` prints what it is told, nothing when nobody answers.
``python peers.py keep tcp IP PORT SECONDS RATE`` asks so often, and prints as JSON who answered how often and when
(seconds since the start) nobody did.
``python peers.py give PORT SECONDS`` sends bytes to the first that connects, for so long;
``python peers.py take IP PORT`` reads them to the end, says how many there were now and then, and at last as JSON
whether the transfer was whole and what the longest silence was.
Only the standard library is imported here.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def serve(name: str, kind: str, port: int) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, KINDS[kind]) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", port))
        if kind == "tcp":
            s.listen(64)
        print("ready", flush=True)
        while True:
            if kind == "tcp":
                conn, peer = s.accept()
                with conn:
                    conn.sendall(f"{name} {peer[0]}".encode())
            else:
                _, peer = s.recvfrom(1000)
                s.sendto(f"{name} {peer[0]}".encode(), peer)


def ask(kind: str, ip: str, port: int, patience_s: float) -> str:
    """Return what the other end says."""
    with socket.socket(socket.AF_INET, KINDS[kind]) as s:
        s.settimeout(patience_s)
        try:
            s.connect((ip, port))
            if kind == "udp":
                s.send(b"?")
            return s.recv(1000).decode()
        except OSError:
            return ""


def keep(kind: str, ip: str, port: int, seconds: float, rate: float) -> None:
    """Ask again and again."""
    began_s, n = time.monotonic(), 0
    answers: Counter[str] = Counter()
    failed = []
    print("ready", flush=True)
    while (now_s := time.monotonic() - began_s) < seconds:
        if now_s < n / rate:
            time.sleep(n / rate - now_s)
        said = ask(kind, ip, port, 2.0)
        if said:
            answers[said.split()[0]] += 1
        else:
            failed.append(round(time.monotonic() - began_s, 2))
        n += 1
    print(json.dumps({"answers": answers, "failed": failed, "asked": n}))


def give(port: int, seconds: float) -> None:
    """Send ten blocks a second to one client, and at last their number."""
    with socket.create_server(("", port)) as s:
        print("ready", flush=True)
        conn, _ = s.accept()
        began_s, blocks = time.monotonic(), 0
        with conn:
            while time.monotonic() - began_s < seconds:
                conn.sendall(b"x" * 1000)
                blocks += 1
                time.sleep(0.02)
            conn.sendall(f" {blocks}".encode())


def take(ip: str, port: int) -> None:
    """Read all of it."""
    got, longest_s, ended = b"", 0.0, "broken"
    with socket.create_connection((ip, port), timeout=30) as s:
        last_s = time.monotonic()
        try:
            while part := s.recv(65536):
                got += part
                longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
                print(len(got), flush=True)
            data, _, blocks = got.decode().partition(" ")
            ended = "whole" if len(data) == 1000 * int(blocks) else "short"
        except (OSError, ValueError) as e:
            ended = repr(e)
    print(json.dumps({"ended": ended, "longest_silence_s": round(longest_s, 2), "bytes": len(got)}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1] == "give":
        give(int(sys.argv[2]), float(sys.argv[3]))
    elif sys.argv[1] == "take":
        take(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "keep":
        keep(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]))
    else:
        print(ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])), end="")
