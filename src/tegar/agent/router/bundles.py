"""The bundles of a router on disk: written whole, and one of them in force.

``<home>/<version>/`` holds a bundle, ``current`` points to the one in force, ``served`` names the version that rules
and processes have been brought to.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from tegar.kernel import codec
from tegar.kernel.errors import AgentRefused
from tegar.model.router import RouterSpec

SECRET = ("guests/", "certificates/", "spec.json")  # user data, passwords and keys are in them


def in_force(home: Path) -> RouterSpec | None:
    """Return the spec of the bundle in force."""
    try:
        spec: RouterSpec = codec.decode(RouterSpec, (home / "current" / "spec.json").read_bytes())
    except (OSError, ValueError):
        return None
    return spec


def write(home: Path, version: int, files: dict[str, str]) -> frozenset[str]:
    """Write a bundle, whole or not at all; return the names of files that differ from those in force.

    Nothing is flushed to disk: a host that lost its power has lost the namespace too.
    """
    home.mkdir(parents=True, exist_ok=True)
    _check_readable(home)
    changed = frozenset(name for name, text in files.items() if read(home / "current" / name) != text)
    part = home / f".{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    for folder in ("", "guests", "certificates"):
        (part / folder).mkdir(mode=0o755)
    nobody = pwd.getpwnam("nobody").pw_uid
    for name, text in files.items():
        mode = 0o400 if name.startswith(SECRET) else 0o644
        with open(os.open(part / name, os.O_WRONLY | os.O_CREAT, mode), "w") as f:
            f.write(text)
        if name.startswith("guests/"):
            os.chown(part / name, nobody, -1)
    final = home / str(version)
    if final.exists():
        final.rename(home / f".{version}.old")
    part.rename(final)
    shutil.rmtree(home / f".{version}.old", ignore_errors=True)
    return changed


def read(file: Path) -> str | None:
    """Return a file's text, None when there is none."""
    try:
        return file.read_text()
    except OSError:
        return None


def _check_readable(home: Path) -> None:
    """Refuse a state directory that dnsmasq, without root, could not reach."""
    for folder in (home, *home.parents):
        if not folder.stat().st_mode & 0o001:
            raise AgentRefused("The host", "ApplyRouter", f"dnsmasq cannot reach {home}: chmod o+x {folder}")


def switch(home: Path, version: int) -> None:
    """Put a bundle in force, all of it at once."""
    _point(home / "current", str(version))


def note_unserved(home: Path) -> None:
    """Remember that rules or processes may not be what the bundle in force says."""
    (home / "served").unlink(missing_ok=True)


def note_served(home: Path, version: int) -> None:
    """Remember that rules and processes are what the bundle in force says."""
    _point(home / "served", str(version))


def served(home: Path) -> int:
    """Return the version that rules and processes were brought to, 0 when they were left half-way."""
    try:
        return int(os.readlink(home / "served"))
    except (OSError, ValueError):
        return 0


def _point(link: Path, to: str) -> None:
    spare = link.with_name(f".{link.name}")
    spare.unlink(missing_ok=True)
    spare.symlink_to(to)
    spare.replace(link)


def forget_others(home: Path, version: int) -> None:
    """Remove all bundles but one."""
    for old in home.iterdir():
        name = old.name.strip(".").partition(".")[0]
        if old.is_dir() and not old.is_symlink() and name.isdigit() and old.name != str(version):
            shutil.rmtree(old, ignore_errors=True)
