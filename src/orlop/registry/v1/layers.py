"""What is found in a layer as it was pushed: its digests, its checksums, and in which form v2 can show it."""

import hashlib
from collections.abc import Iterator

import msgspec

from orlop.domain.caller import Caller
from orlop.domain.compression import Format, decompressed, format_of, gzipped
from orlop.domain.digest import Digest
from orlop.domain.errors import LayerInvalid, Unsupported
from orlop.domain.name import RepositoryName
from orlop.domain.v1.checksums import TARSUM, PayloadChecksum
from orlop.domain.v1.tarsum import tarsums
from orlop.registry.content import Content
from orlop.registry.uploads import Uploads
from orlop.steps import perform

MEDIA_TYPES = {
    Format.GZIP: "application/vnd.oci.image.layer.v1.tar+gzip",
    Format.ZSTD: "application/vnd.oci.image.layer.v1.tar+zstd",
    Format.PLAIN: "application/vnd.oci.image.layer.v1.tar",
}
"""Of the forms that OCI has; of any other, v2 shows a copy in gzip."""


class Facts(msgspec.Struct):
    """What `examine` found. `problem`: why v2 cannot show the layer, empty where it can."""

    payload: str
    """The checksum of JSON and layer, `sha256:…`."""
    diff_id: str = ""
    tarsums: dict[str, str] = {}
    """By label, with it."""
    media_type: str = ""
    empty: bool = False
    """Whether the archive holds nothing."""
    shown_size: int = 0
    """Of the blob that v2 shows: the layer itself, or its copy in gzip."""
    problem: str = ""


class Layers:
    """Reads layers, once, when they have come."""

    def __init__(self, content: Content, uploads: Uploads) -> None:
        self._content = content
        self._uploads = uploads

    def examine(
        self, caller: Caller, name: RepositoryName, digest: Digest, size: int, document: bytes
    ) -> tuple[Facts, str | None]:
        """The facts, and the digest of the copy that v2 shows where it cannot show the layer itself."""
        payload = PayloadChecksum(document)
        diff = hashlib.sha256()
        form = format_of(next(self._pieces(digest), b""))

        def raw() -> Iterator[bytes]:
            for piece in self._pieces(digest):
                payload.update(piece)
                yield piece

        def unpacked() -> Iterator[bytes]:
            for piece in decompressed(raw(), form):
                diff.update(piece)
                yield piece

        try:
            found = tarsums(unpacked(), document)
        except (LayerInvalid, Unsupported) as error:
            payload = PayloadChecksum(document)
            for piece in self._pieces(digest):
                payload.update(piece)
            return Facts(str(payload.checksum()), problem=str(error)), None
        sums = {label: str(each) for label, each in found.items()}
        facts = Facts(str(payload.checksum()), f"sha256:{diff.hexdigest()}", sums)
        facts.empty = found[TARSUM].hex == hashlib.sha256(document).hexdigest()  # of the JSON and no member
        facts.shown_size = size
        if form in MEDIA_TYPES:
            facts.media_type = MEDIA_TYPES[form]
            return facts, None
        shown, facts.shown_size = self._copy(caller, name, digest, form)
        facts.media_type = MEDIA_TYPES[Format.GZIP]
        return facts, shown

    def _copy(self, caller: Caller, name: RepositoryName, digest: Digest, form: Format) -> tuple[Digest, int]:
        """A copy of the layer in gzip, as a blob of the repository."""
        upload = self._uploads.open(caller, name, perform(self._uploads.start(caller, name)))
        try:
            for piece in gzipped(decompressed(self._pieces(digest), form)):
                upload.write([piece])
                upload.hash([piece])
            return self._uploads.finish_as_it_is(caller, upload)
        finally:
            if not upload.closed:
                self._uploads.close(upload)

    def _pieces(self, digest: Digest) -> Iterator[bytes]:
        return self._content.stream(digest)
