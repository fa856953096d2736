"""``python -m tegar.main.bench.renewing``: ten thousand hosts at one witness; prints what became of it.

Every datagram is made and checked as a warden would.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress
from uuid import UUID

from tegar.guard import datagram
from tegar.guard.datagram import LONGEST_BYTES, Ack, Challenge, Renew
from tegar.guard.keys import host_key
from tegar.main.bench.stage import percentile

DEAD_S = 6.5
RENEWAL_S = 0.5
BATCH = 64
LATE_S = 1.0  # for what is still on its way at the end
GREET_S = 60.0


def host_name(number: int) -> str:
    """Return the uuid of a host."""
    return str(UUID(int=number + (0xB << 120)))


def boot_name(number: int) -> str:
    """Return the boot of a host."""
    return f"{UUID(int=number + (0xC << 120))}.1234567"


class Hosts:
    """Their side of their leases, all behind one socket."""

    def __init__(self, secret: bytes, witness: tuple[str, int], hosts: int) -> None:
        """Make keys."""
        self.names = [host_name(i) for i in range(hosts)]
        self.boots = [boot_name(i) for i in range(hosts)]
        self.keys = {f"host:{name}": host_key(secret, name) for name in self.names}
        self.tokens: dict[str, bytes] = {}
        self.acked: set[str] = set()
        self.latencies_s: list[float] = []
        self._since_us = 0  # acks of what was sent before are of no phase
        self.witness = witness
        self.door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.door.bind(("127.0.0.1", 0))
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.door.setblocking(False)

    def renew(self, number: int) -> None:
        """Send one renewal; its sequence is the time."""
        name = self.names[number]
        now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        message = Renew(name, self.boots[number], 0, now_us, DEAD_S, self.tokens.get(name, b""))
        data = datagram.encode(self.keys[f"host:{name}"], name, "w1", message)
        with suppress(BlockingIOError):
            self.door.sendto(data, self.witness)

    def listen(self, wait_s: float) -> None:
        """Take what came, after waiting for the first of it."""
        select.select([self.door], [], [], wait_s)
        with suppress(BlockingIOError):
            for _ in range(BATCH):
                data = self.door.recv(LONGEST_BYTES + 1)
                name = data[9 : 4 + data[3]].decode()
                said = datagram.decode(self.keys.get, name, data)
                if said is None:
                    raise RuntimeError("a datagram that is none")
                if isinstance(said[1], Challenge):
                    self.tokens[name] = said[1].token
                elif isinstance(said[1], Ack):
                    now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
                    self.acked.add(name)
                    if said[1].seq >= self._since_us:
                        self.latencies_s.append((now_us - said[1].seq) / 1e6)

    def greet(self) -> None:
        """Get the first lease of each."""
        until_s = time.monotonic() + GREET_S
        while len(self.acked) < len(self.names):
            if time.monotonic() > until_s:
                raise RuntimeError(f"{len(self.names) - len(self.acked)} hosts got no lease")
            for number, name in enumerate(self.names):
                if name not in self.acked:
                    self.renew(number)
                    self.listen(0)
            self.listen(0.01)

    def run(self, seconds: float) -> int:
        """Renew every lease twice a second; return how often."""
        self.latencies_s.clear()
        self._since_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        began_s, sent, pace = time.monotonic(), 0, len(self.names) / RENEWAL_S
        total = int(seconds * pace)
        while sent < total:
            due = min(total, int((time.monotonic() - began_s) * pace))
            for number in range(sent, min(due, sent + BATCH)):
                self.renew(number % len(self.names))
            sent = min(due, sent + BATCH)
            self.listen(0 if sent < due else 0.001)
        until_s = time.monotonic() + LATE_S
        while time.monotonic() < until_s:
            self.listen(0.01)
        return sent


def main(words: list[str]) -> int:
    """Run: the secret, the witness's port, how many hosts; then a phase for each line of seconds."""
    hosts = Hosts(bytes.fromhex(words[0]), ("127.0.0.1", int(words[1])), int(words[2]))
    hosts.greet()
    print(json.dumps({"hosts": len(hosts.acked)}), flush=True)
    for line in sys.stdin:
        cpu_s, began_s = time.process_time(), time.monotonic()
        sent = hosts.run(float(line))
        took_s = time.monotonic() - began_s
        late = hosts.latencies_s
        found = {
            "sent": sent,
            "took_s": round(took_s, 2),
            "lost": sent - len(late),
            "per_s": round(sent / (took_s - LATE_S)),
            "p50_ms": round(percentile(late, 50) * 1e3, 2),
            "p99_ms": round(percentile(late, 99) * 1e3, 2),
            "max_ms": round(max(late) * 1e3, 1),
            "load_cores": round((time.process_time() - cpu_s) / took_s, 2),
        }
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
