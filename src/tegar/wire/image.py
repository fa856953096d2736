"""Images on secondary storage."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask
from tegar.model.spec import StoreSpec


@dataclass(frozen=True)
class StoreFacts:
    """What the image store's file system says."""

    capacity_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class ImageFacts:
    """An image that was fetched and looked at.  ``sha256`` is of the bytes as fetched, in hex."""

    format: str
    size_bytes: int
    physical_bytes: int
    sha256: str


@dataclass(frozen=True)
class ImageGone:
    """The image is not there any more."""


@dataclass(frozen=True)
class OpenStore(Ask[StoreFacts]):
    """Reach the image store and report its size."""

    store: StoreSpec


@dataclass(frozen=True)
class FetchImage(Ask[ImageFacts]):
    """Fetch an image over http or https into the store, check it and keep it as ``<template_uuid>.qcow2``.

    ``checksum`` is empty or ``{ALGORITHM}hex`` (MD5, SHA-1, SHA-224 to SHA-512).  Refused: a wrong
    checksum, more than ``max_bytes``, an unknown format, a backing file, an external data file.
    Long: answers NotYet while it runs; asking again joins the fetch under way.
    """

    store: StoreSpec
    template_uuid: str
    url: str
    format: str
    checksum: str
    max_bytes: int


@dataclass(frozen=True)
class DeleteImage(Ask[ImageGone]):
    """Remove an image from the store; already gone is success."""

    store: StoreSpec
    template_uuid: str
