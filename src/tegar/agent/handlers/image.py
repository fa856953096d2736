"""Images on secondary storage."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.wire.image import DeleteImage, FetchImage, ImageFacts, ImageGone, OpenStore, StoreFacts

table: Handlers[Host] = Handlers()


@table.handles
def open_store(host: Host, ask: OpenStore) -> StoreFacts:
    """Reach an image store."""
    return host.images.open(ask.store)


@table.handles
def fetch_image(host: Host, ask: FetchImage) -> ImageFacts:
    """Fetch an image, or join the fetch under way."""
    return host.images.fetch(
        ask.store,
        ask.template_uuid,
        url=ask.url,
        format=ask.format,
        checksum=ask.checksum,
        max_bytes=ask.max_bytes,
    )


@table.handles
def delete_image(host: Host, ask: DeleteImage) -> ImageGone:
    """Remove an image."""
    host.images.delete(ask.store, ask.template_uuid)
    return ImageGone()
