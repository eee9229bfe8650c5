"""Layers in a store, with their tables of contents, for tests that read parts of them."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from orlop.contents import unpacking
from orlop.contents.limits import Limits
from orlop.contents.reading import read, read_file
from orlop.contents.toc import Footer, TocWriter
from orlop.contents.unpacking import Unpacking
from orlop.storage.memory import MemoryStorage

BLOB = "blobs/sha256/ab/layer"
TOC = "layers/sha256/ab/toc"


class CountingStorage(MemoryStorage):
    """Counts the bytes that it gives of layers."""

    given = 0

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        for piece in super().stream_read(path, bytes_range):
            self.given += len(piece) if path == BLOB else 0
            yield piece


@dataclass
class PackedLayer:
    storage: CountingStorage
    footer: Footer
    content: bytes = field(repr=False)

    def read(self, start: int, length: int) -> bytes:
        return b"".join(read(self.storage, BLOB, TOC, self.footer, start, length))

    def read_file(
        self,
        offset: int,
        size: int,
        sparse: tuple[tuple[int, int], ...] = (),
        first: int = 0,
        count: int = 1 << 60,
        digest: str = "",
    ) -> bytes:
        pieces = read_file(self.storage, BLOB, TOC, self.footer, offset, size, sparse, first, count, digest=digest)
        return b"".join(pieces)

    def replace(self, blob: bytes) -> None:
        self.storage.put_content(BLOB, blob)


@contextmanager
def places_every(spacing: int) -> Iterator[None]:
    """Many places to begin, in layers that are small enough for a test."""
    with mock.patch.multiple(unpacking, SPACING=spacing, _WEIGHT=0):
        yield


def packed_layer(blob: bytes) -> PackedLayer:
    output = io.BytesIO()
    writer = TocWriter(output)
    layer = Unpacking(io.BytesIO(blob), Limits(), lambda checkpoint: writer.add_checkpoint(*checkpoint))
    content = b"".join(layer)
    footer = writer.finish(
        compression=layer.format, size=layer.size, unpacked=layer.unpacked, diff_id="sha256:", frames=layer.frames
    )
    storage = CountingStorage()
    storage.put_content(BLOB, blob)
    storage.put_content(TOC, output.getvalue())
    return PackedLayer(storage, footer, content)


def gzip_member(content: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY, flush: int = 0) -> bytes:
    """With `flush` other than 0, a point of that kind after each kilobyte, as pigz and others make them."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
    packed = b""
    for at in range(0, len(content), 1000):
        packed += packer.compress(content[at : at + 1000])
        if flush:
            packed += packer.flush(flush)
    return packed + packer.flush()
