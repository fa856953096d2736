"""Frames on the cables of a lab."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tegar.lab.cloud import Lab


@contextmanager
def wire_of(lab: Lab, host: str, what: str) -> Iterator[list[str]]:
    """Capture one frame on the cable of a host to the guest network; what was seen is in the list at the end."""
    switch = ["nsenter", f"--net=/run/netns/{lab.topology.switch}"]
    words = [*switch, "tcpdump", "-e", "-n", "-c", "1", "-i", f"{host}-guest", what]
    seen: list[str] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as capture:
        try:
            assert capture.stderr is not None
            while line := capture.stderr.readline():
                if "listening on" in line:
                    break
            yield seen
            seen.append(capture.communicate(timeout=30)[0])
        finally:
            capture.kill()
