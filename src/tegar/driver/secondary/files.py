"""Image stores that are a file system: NFS or a directory."""

from __future__ import annotations

from tegar.kernel.wire import Link
from tegar.model.spec import StoreSpec
from tegar.wire.image import DeleteImage, FetchImage, ImageFacts, OpenStore, StoreFacts


class Files:
    """The agent works on the files."""

    def open(self, store: StoreSpec, via: Link) -> StoreFacts:
        """Reach it."""
        return via.ask(OpenStore(store))

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
        """Fetch an image."""
        return via.ask(FetchImage(store, template_uuid, url, format, checksum, max_bytes))

    def delete(self, store: StoreSpec, template_uuid: str, via: Link) -> None:
        """Remove an image."""
        via.ask(DeleteImage(store, template_uuid))
