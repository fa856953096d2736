"""Checksums of images as operators write them."""

from __future__ import annotations

import re

from tegar.kernel.errors import BadParameter

LENGTHS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
_FORM = re.compile(r"(?:\{([A-Za-z0-9-]+)\})?([0-9A-Fa-f]+)")


def normal(text: str) -> str:
    """Return ``{SHA-256}hex``; of bare hex, the length tells the algorithm.

    Raises:
        BadParameter: it is no checksum, or of another length than its algorithm has.
    """
    match = _FORM.fullmatch(text.strip())
    by_length = LENGTHS.get(len(match[2])) if match else None
    if match is None or by_length is None:
        raise BadParameter("checksum", "write {SHA-256}hex, or the hex of an MD5 or SHA sum alone")
    named = (match[1] or by_length).upper().replace("SHA-", "SHA").replace("SHA", "SHA-")
    if named != by_length:
        raise BadParameter("checksum", f"{len(match[2])} hex digits are {by_length}, not {match[1]}")
    return f"{{{named}}}{match[2].lower()}"
