"""qemu-img, always told the format and never believed about it: images may be hostile.

A qcow2 header may name a backing file or an external data file; whoever opens such an image reads
(or lets a guest read) that file on the host.  So the header of anything fetched is read by our own
eyes first, and refused before QEMU's code sees it.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from tegar.agent import child
from tegar.kernel.errors import AgentRefused, Unavailable

INFO_DEADLINE_S = 30.0
MAGIC = b"QFI\xfb"
_EXTERNAL_DATA = 1 << 2  # bit of incompatible_features
_KNOWN_INCOMPATIBLE = 0b11011  # dirty, corrupt, compression type, extended L2; corrupt is refused below
_CORRUPT = 1 << 1
_DATA_FILE_NAME = 0x44415441
_LIMITS = ("prlimit", f"--as={2 << 30}", "--cpu=60", "--core=0", "--")


@dataclass(frozen=True)
class Info:
    """What qemu-img says of an image."""

    size_bytes: int
    physical_bytes: int
    backing: str
    data_file: str
    encrypted: bool


def info(ref: str, format: str, *, what: str, limited: bool = False) -> Info | None:
    """Look at an image without following what it points to; None when the file is not there.

    Raises:
        Unavailable: no answer in time.
        AgentRefused: it is no image of that format.
    """
    argv = ("qemu-img", "info", "--output=json", "-U", "-f", format, ref)
    said = child.run((*_LIMITS, *argv) if limited else argv, timeout_s=INFO_DEADLINE_S, what=what)
    if said.code != 0:
        words = child.last_words(said.err)
        if any(sign in words for sign in ("No such file", "NFS3ERR_NOENT", "NFS4ERR_NOENT")):
            return None
        raise AgentRefused("qemu-img", f"info {what}", words)
    facts = json.loads(said.out)
    more = facts.get("format-specific", {}).get("data", {})
    return Info(
        int(facts["virtual-size"]),
        int(facts.get("actual-size", 0)),
        str(facts.get("backing-filename", "")),
        str(more.get("data-file", "")),
        bool(facts.get("encrypted", False)),
    )


def create(ref: str, size_bytes: int, *, base: str, what: str) -> None:
    """Make a qcow2 file, over *base* (a name relative to the file's directory) when that is given."""
    over = ("-F", "qcow2", "-b", base) if base else ()
    argv = ("qemu-img", "create", "-q", "-f", "qcow2", *over, ref, str(size_bytes))
    said = child.run(argv, timeout_s=60, what=what)
    if said.code != 0:
        raise Unavailable(what, child.last_words(said.err))


def convert(source: str, format: str, target: str, *, what: str, timeout_s: float) -> None:
    """Copy an image into a qcow2 file of its own, flushed to disk.

    Raises:
        Unavailable: it did not work, or not in time.
    """
    argv = ("qemu-img", "convert", "-q", "-f", format, "-O", "qcow2", "-t", "writeback", source, target)
    said = child.run(argv, timeout_s=timeout_s, what=what)
    if said.code != 0:
        raise Unavailable(what, child.last_words(said.err))


def inspect(file: Path, format: str, max_bytes: int) -> Info:
    """Look at a fetched image, expecting malice.

    Args:
        file: a local file.
        format: ``QCOW2`` or ``RAW``, as the caller declared it.
        max_bytes: the largest virtual size allowed.

    Raises:
        AgentRefused: it is not what it claims to be, refers to other files, or is too large.
    """
    if format not in ("QCOW2", "RAW"):
        raise _no_good(f"the format {format} is not supported; use QCOW2 or RAW")
    with file.open("rb") as f:
        head = f.read(64 << 10)
    if format == "RAW" and head.startswith(MAGIC):
        raise _no_good("it was declared RAW and is QCOW2")
    if format == "QCOW2":
        _read_header(head)
    found = info(str(file), format.lower(), what="fetched image", limited=True)
    if found is None or found.backing or found.data_file or found.encrypted:
        raise _no_good("it refers to other files or is encrypted")
    if not 0 < found.size_bytes <= max_bytes:
        raise _no_good(f"its virtual size is {found.size_bytes} bytes, and {max_bytes} are allowed")
    return found


def _read_header(head: bytes) -> None:
    """Refuse a qcow2 header that is broken or points outside of its file."""
    if len(head) < 72 or not head.startswith(MAGIC):
        raise _no_good("it was declared QCOW2 and is not")
    version, backing_at = struct.unpack_from(">IQ", head, 4)
    if version not in (2, 3):
        raise _no_good(f"QCOW2 version {version} is not supported")
    if backing_at:
        raise _no_good("it has a backing file")
    if struct.unpack_from(">I", head, 32)[0]:
        raise _no_good("it is encrypted")
    at = 72
    if version == 3:
        if len(head) < 104:
            raise _no_good("its header is cut off")
        features, *_ = struct.unpack_from(">Q", head, 72)
        if features & _EXTERNAL_DATA:
            raise _no_good("it has an external data file")
        if features & (_CORRUPT | ~_KNOWN_INCOMPATIBLE):
            raise _no_good("it is marked corrupt or needs features that are not supported")
        at = struct.unpack_from(">I", head, 100)[0]
    _read_extensions(head, at)


def _read_extensions(head: bytes, at: int) -> None:
    """Refuse header extensions that name files."""
    while at + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, at)
        if kind == 0:
            return
        if kind == _DATA_FILE_NAME:
            raise _no_good("it names an external data file")
        at += 8 + (length + 7) // 8 * 8
    raise _no_good("its header is malformed")


def _no_good(why: str) -> AgentRefused:
    return AgentRefused("The image", "inspection", why)
