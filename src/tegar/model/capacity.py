"""Kinds of capacity by the protocol's numbers."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What is counted: bytes of memory and storage, MHz of CPU, addresses."""

    MEMORY = 0
    CPU = 1
    STORAGE = 2
    STORAGE_ALLOCATED = 3
    SHARED_ADDRESSES = 8


NAMES = {
    Kind.MEMORY: "MEMORY",
    Kind.CPU: "CPU",
    Kind.STORAGE: "STORAGE",
    Kind.STORAGE_ALLOCATED: "STORAGE_ALLOCATED",
    Kind.SHARED_ADDRESSES: "DIRECT_ATTACHED_PUBLIC_IP",
}
