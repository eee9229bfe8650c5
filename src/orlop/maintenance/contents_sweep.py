"""Takes away what is known of the contents of layers and images that are gone. All of it can be made again.

A push may bring a layer back at any moment, and its image is looked into after that: so whoever has taken something
away looks once more, and asks for it again where the layer is there by then.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from orlop.contents import labels
from orlop.contents.document_sweep import DocumentSweep
from orlop.contents.index import Index
from orlop.contents.layers import layers
from orlop.contents.loading import forget_layer
from orlop.database import blobs, jobs
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid
from orlop.storage.base import Storage

PAGE = 500


class ContentsSweep:
    def __init__(self, storage: Storage, database: Database, index: Index, read: Callable[[Digest], bytes]) -> None:
        """`read` gives small content. BlobUnknown."""
        self._storage = storage
        self._database = database
        self._index = index
        self._documents = DocumentSweep(storage, database, index, read)

    def layers(self, after: str) -> Iterator[tuple[str, int]]:
        """Of layers that are known, behind that digest: each digest, and how many objects went."""
        while page := layers(self._index.reader(), after, PAGE):
            for after in page:
                yield after, 0 if self._is_there(Digest(after)) else self._forget(Digest(after))

    def tree(self) -> Iterator[int]:
        """Of objects in the tree, known or not; how many went, bit by bit."""
        for algorithm in self._children(self._storage.layers):
            for folder in self._children(algorithm):
                _, name, hexadecimal = folder.split("/")
                with suppress(DigestInvalid):  # no object of the registry's: a scrub tells of it
                    digest = Digest.parse(f"{name}:{hexadecimal}")
                    yield 0 if self._is_there(digest) else self._forget(digest)

    def documents(self, before: float) -> Iterator[int]:
        """See `DocumentSweep.sweep`."""
        return self._documents.sweep(before)

    def labels(self) -> None:
        """Of manifests that are gone."""
        after = ""
        while page := labels.manifests(self._index.reader(), after, PAGE):
            gone = [manifest for manifest in page if not self._is_there(Digest(manifest))]
            for manifest in gone:
                self._index.write(partial(labels.forget, manifest=manifest))
            after = page[-1]

    def _is_there(self, digest: Digest) -> bool:
        """Whether the blob is, or is expected back."""
        record = blobs.record(self._database.reader(), digest)
        return record is not None and record.state not in ("removing", "removed")

    def _forget(self, digest: Digest) -> int:
        self._index.write(lambda connection: forget_layer(connection, digest))
        gone = 0
        with suppress(FileNotFoundError):
            self._storage.remove(self._storage.layer_toc_path(digest))
            gone = 1
        if self._is_there(digest):
            self._database.write(lambda connection: jobs.enqueue(connection, "layer", digest))
        return gone

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder))
        except FileNotFoundError:
            return []
