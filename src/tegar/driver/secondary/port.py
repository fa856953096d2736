"""What secondary storage does for sagas."""

from __future__ import annotations

from typing import Protocol

from tegar.kernel.wire import Link
from tegar.model.spec import StoreSpec
from tegar.wire.image import ImageFacts, StoreFacts


class SecondaryStorage(Protocol):
    """A place where images are kept.  Every call is safe to repeat."""

    def open(self, store: StoreSpec, via: Link) -> StoreFacts:
        """Reach the store and report its size."""
        ...

    def fetch(
        self,
        store: StoreSpec,
        template_uuid: str,
        *,
        url: str,
        format: str,
        checksum: str,
        max_bytes: int,
        via: Link,
    ) -> ImageFacts:
        """Fetch an image, check it and keep it; NotYet while that runs."""
        ...

    def delete(self, store: StoreSpec, template_uuid: str, via: Link) -> None:
        """Remove an image."""
        ...
