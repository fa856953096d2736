"""Secondary storage: templates as ``<store>/templates/<uuid>.qcow2`` in directories and on NFS servers."""

from __future__ import annotations

import secrets
from pathlib import Path

from tegar.agent import child, qemu_img
from tegar.agent.fetch import DENIED, Wanted, fetch
from tegar.agent.places import Places, Root, check_uuid
from tegar.agent.works import Works
from tegar.kernel import codec
from tegar.model.spec import StoreSpec
from tegar.wire.image import ImageFacts, StoreFacts

CONVERT_DEADLINE_S = 4 * 3600.0


class FileImages:
    """The Images port.

    What is fetched lands on the host's own disk first (``scratch``), is looked at there, and is
    rewritten by qemu-img into the store, so that nothing of a foreign header survives.
    """

    def __init__(self, places: Places, scratch: Path, denied: tuple[str, ...] = DENIED) -> None:
        self._places = places
        self._scratch = scratch
        self._denied = denied
        self._fetching: Works[ImageFacts] = Works()

    def open(self, store: StoreSpec) -> StoreFacts:
        """Reach the store and report its size."""
        said = _open(self._places.store(store), _name(store))
        return StoreFacts(int(str(said["capacity_bytes"])), int(str(said["used_bytes"])))

    def fetch(
        self, store: StoreSpec, template_uuid: str, *, url: str, format: str, checksum: str, max_bytes: int
    ) -> ImageFacts:
        """Fetch, check and keep an image, or report the one that is kept."""
        check_uuid(template_uuid)
        root = self._places.store(store)
        kept = _kept(root, template_uuid, _name(store))
        if kept:
            return kept
        wanted = Wanted(url, checksum, max_bytes, self._denied)
        return self._fetching.join(
            f"{store.uuid}/{template_uuid}",
            f"template {template_uuid}",
            lambda: self._keep(root, template_uuid, wanted, format.upper()),
        )

    def _keep(self, root: Root, template_uuid: str, wanted: Wanted, format: str) -> ImageFacts:
        """Do all of it; the template is visible at the very end, or not at all."""
        what = f"template {template_uuid}"
        self._scratch.mkdir(parents=True, exist_ok=True)
        file = self._scratch / f"{template_uuid}.fetch"
        sha256 = fetch(wanted, file)
        try:
            found = qemu_img.inspect(file, format, wanted.max_bytes)
            name = f"templates/{template_uuid}.qcow2"
            part = f"templates/.{template_uuid}.{secrets.token_hex(6)}.part"
            _open(root, what)
            try:
                qemu_img.convert(
                    str(file), format.lower(), root.file(part), what=what, timeout_s=CONVERT_DEADLINE_S
                )
                size = child.files("stat", root.url, f"/{part}", what=what)
                facts = ImageFacts(format, found.size_bytes, int(str(size.get("size_bytes", 0))), sha256)
                text = codec.encode(facts)
                child.files("put", root.url, f"/templates/{template_uuid}.json", what=what, stdin=text)
                child.files("publish", root.url, f"/{part}", f"/{name}", what=what, timeout_s=300)
            finally:
                child.files("unlink", root.url, f"/{part}", what=what)
        finally:
            file.unlink(missing_ok=True)
            file.with_name(file.name + ".mark").unlink(missing_ok=True)
        return facts

    def delete(self, store: StoreSpec, template_uuid: str) -> None:
        """Remove an image and what is known of it."""
        self._fetching.must_be_idle(f"{store.uuid}/{template_uuid}", f"the fetch of template {template_uuid}")
        names = (f"/templates/{check_uuid(template_uuid)}.{end}" for end in ("qcow2", "json"))
        child.files("unlink", self._places.store(store).url, *names, what=_name(store))


def _kept(root: Root, template_uuid: str, what: str) -> ImageFacts | None:
    """Return what is known of a template that is in the store."""
    if not child.files("stat", root.url, f"/templates/{template_uuid}.qcow2", what=what)["there"]:
        return None
    text = child.files("get", root.url, f"/templates/{template_uuid}.json", what=what)["text"]
    facts: ImageFacts | None = codec.decode(ImageFacts, str(text)) if text else None
    return facts


def _open(root: Root, what: str) -> dict[str, object]:
    return child.files("open", root.url, what=what)


def _name(store: StoreSpec) -> str:
    return f"image store {store.uuid}"
