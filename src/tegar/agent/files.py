"""The agent's hand on storage: ``python -m tegar.agent.files VERB ROOT [ARGS]``, a child with a deadline.

ROOT is a directory or ``nfs://server/export``; names are relative to it.  The answer is one JSON
object: facts, or ``{"unavailable": why}`` (ask again), or ``{"refused": why}``.
Only the standard library is imported here: this starts often.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

STALE_PART_S = 24 * 3600  # a half-made file untouched for this long has nobody left who makes it
FULL = {errno.ENOSPC, errno.EDQUOT}
AWAY = {
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}


class Tree(Protocol):
    """Files below one root."""

    def stat(self, path: str) -> tuple[int, float]:
        """Return size in bytes and time of the last change."""
        ...

    def statvfs(self) -> tuple[int, int]:
        """Return capacity and free bytes."""
        ...

    def mkdir(self, path: str) -> None:
        """Make a directory, unless it is there."""
        ...

    def link(self, old: str, new: str) -> None:
        """Give a file another name."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        ...

    def names(self, path: str) -> list[str]:
        """List a directory."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write a small file durably."""
        ...

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Read a small file."""
        ...


class Directory:
    """A tree the kernel sees."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        if not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{root} is not a directory; is it mounted?")

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def stat(self, path: str) -> tuple[int, float]:
        """Return size and time."""
        st = self._at(path).stat()
        return st.st_size, st.st_mtime

    def statvfs(self) -> tuple[int, int]:
        """Return capacity and free bytes."""
        st = os.statvfs(self._root)
        return st.f_blocks * st.f_frsize, st.f_bfree * st.f_frsize

    def mkdir(self, path: str) -> None:
        """Make a directory."""
        self._at(path).mkdir(exist_ok=True)

    def link(self, old: str, new: str) -> None:
        """Flush a file, then give it another name."""
        _sync(self._at(old))
        os.link(self._at(old), self._at(new))
        _sync(self._at(new).parent)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._at(path).unlink()
        _sync(self._at(path).parent)

    def rename(self, old: str, new: str) -> None:
        """Flush a file, then rename it."""
        _sync(self._at(old))
        self._at(old).rename(self._at(new))
        _sync(self._at(new).parent)

    def names(self, path: str) -> list[str]:
        """List a directory."""
        return os.listdir(self._at(path))

    def write(self, path: str, data: bytes) -> None:
        """Write a file and flush it."""
        self._at(path).write_bytes(data)
        _sync(self._at(path))

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Read a file."""
        with self._at(path).open("rb") as f:
            return f.read(limit)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def tree(root: str) -> Tree:
    """Return the tree a root names."""
    if root.startswith("nfs://"):
        from tegar.agent.libnfs import Nfs

        return Nfs(root)
    return Directory(root)


def _direct_works(root: str) -> bool:
    """Return whether files there can be opened with O_DIRECT, as ``cache=none`` needs."""
    if root.startswith("nfs://"):
        return True  # libnfs has no cache to go around
    name = Path(root) / f".probe.{secrets.token_hex(4)}"
    try:
        os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DIRECT, 0o600))
    except OSError:
        return False
    finally:
        name.unlink(missing_ok=True)
    return True


def open_root(root: str, make: str = "") -> dict[str, object]:
    """Reach a root, check that it can be written, sweep forgotten parts, report its size."""
    if make:
        Path(root).mkdir(parents=True, exist_ok=True)
    at = tree(root)
    at.mkdir("/templates")
    probe = f"/.probe.{secrets.token_hex(6)}"
    at.write(probe, b"tegar")
    at.unlink(probe)
    for folder in ("/", "/templates/"):
        for name in at.names(folder):
            _sweep(at, folder + name)
    capacity, free = at.statvfs()
    return {"capacity_bytes": capacity, "used_bytes": capacity - free, "direct": _direct_works(root)}


def _sweep(at: Tree, path: str) -> None:
    name = path.rpartition("/")[2]
    try:
        if name.startswith(".") and time.time() - at.stat(path)[1] > STALE_PART_S:
            at.unlink(path)
    except OSError:
        return  # another host swept it, or it is not a file


def touch(root: str) -> dict[str, object]:
    """Write to a root and flush it, so that the answer is the storage's; one that is full answers, too."""
    at, name = tree(root), f"/.probe.{secrets.token_hex(6)}"
    try:
        at.write(name, b"tegar")
    except OSError as e:
        if e.errno not in FULL:
            raise
    with suppress(FileNotFoundError):
        at.unlink(name)
    return {}


def stat(root: str, path: str) -> dict[str, object]:
    """Report whether a file is there."""
    try:
        size, _ = tree(root).stat(path)
    except FileNotFoundError:
        return {"there": False}
    return {"there": True, "size_bytes": size}


def publish(root: str, part: str, final: str) -> dict[str, object]:
    """Make a whole file visible under its name; the first one wins and is never replaced.

    A base that overlays stand on must stay the same file, so this links and never renames over.
    """
    at = tree(root)
    try:
        at.link(part, final)
    except FileExistsError:
        at.unlink(part)
        return {"won": False}
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        if stat(root, final)["there"]:
            at.unlink(part)
            return {"won": False}
        at.rename(part, final)  # a file system without hard links
        return {"won": True}
    at.unlink(part)
    return {"won": True}


def unlink(root: str, *paths: str) -> dict[str, object]:
    """Remove files; gone already is success."""
    at = tree(root)
    for path in paths:
        try:
            at.unlink(path)
        except FileNotFoundError:
            continue
    return {}


def put(root: str, path: str) -> dict[str, object]:
    """Write standard input as a small file, whole or not at all."""
    at = tree(root)
    folder, _, name = path.rpartition("/")
    part = f"{folder}/.{name}.{secrets.token_hex(4)}.part"
    at.write(part, sys.stdin.buffer.read())
    at.rename(part, path)
    return {}


def get(root: str, path: str) -> dict[str, object]:
    """Return a small file's text, null when there is none."""
    try:
        return {"text": tree(root).read(path).decode()}
    except FileNotFoundError:
        return {"text": None}


VERBS: dict[str, Callable[..., dict[str, object]]] = {
    "open": open_root,
    "stat": stat,
    "touch": touch,
    "publish": publish,
    "unlink": unlink,
    "put": put,
    "get": get,
}


def main(argv: list[str]) -> None:
    """Do one verb and print its answer."""
    try:
        answer = VERBS[argv[0]](*argv[1:])
    except OSError as e:
        why = e.strerror or str(e)
        away = isinstance(e, NotADirectoryError) or e.errno in AWAY or argv[1].startswith("nfs://")
        kind = "unavailable" if away or argv[0] in ("open", "touch") else "refused"
        answer = {kind: f"{why} ({argv[1]})" if argv[1] not in why else why}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
