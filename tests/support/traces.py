"""Directories of real clouds: what they are given beforehand, and what is left of them afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tegar.lab.topology import Topology
from tegar.main.local import MARK

IMAGE = Path(__file__).parents[2] / ".tegar" / "cache" / "guest.qcow2"


def furnished(root: Path) -> Path:
    """Give a cloud's directory the guest image, if there is one already."""
    if IMAGE.exists():
        (root / "cache").mkdir(parents=True)
        shutil.copy(IMAGE, root / "cache")
    return root


def traces(root: Path) -> list[str]:
    """Return what is left of a cloud on this machine: processes, namespaces, cables, mounts."""
    name, prefix = str(root), Topology(root / "lab", hosts=1).prefix
    found = []
    ours = os.readlink("/proc/self/ns/mnt")
    for entry in (e for e in Path("/proc").iterdir() if e.name.isdigit()):
        try:
            said = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            inside = os.readlink(entry / "ns/mnt") != ours and f"{name}/" in (entry / "mountinfo").read_text()
        except OSError:
            continue
        if inside or f"{MARK}={name}:".encode() in said or f"{name}/".encode() in said:
            found.append(f"process {entry.name}: {said[-300:]!r}")
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    found += [f"link {x}" for x in re.findall(rf"^\d+: ({prefix}[^:@]*)", links, re.MULTILINE)]
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    found += [f"namespace {x}" for x in spaces.split() if x.startswith(prefix)]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {x}" for x in mounts if f"{name}/" in x]
    return found
