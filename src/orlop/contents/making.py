"""Makes what is known of images: the table of contents of each layer, once, and the documents of their chains."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

from orlop.contents import labels, sandbox, toc
from orlop.contents.chains import Chain
from orlop.contents.documents import Documents
from orlop.contents.images import LARGEST_CONFIG
from orlop.contents.index import Index
from orlop.contents.layers import layer_state, mark_unindexable
from orlop.contents.limits import Limits
from orlop.contents.loading import load
from orlop.contents.resting import Resting
from orlop.contents.space import Space
from orlop.contents.stopping import Stopping
from orlop.database import blobs, manifests
from orlop.database.engine import Database
from orlop.domain.digest import Digest, new_hasher
from orlop.domain.errors import BlobUnknown, ContentDamaged, ContentsUnindexable, LayerInvalid, ManifestInvalid
from orlop.domain.image_config import parse_image_config
from orlop.domain.manifest import parse_manifest
from orlop.domain.name import RepositoryName
from orlop.storage.base import Storage

Made = Literal["ready", "unindexable", "gone"]


class Making:
    """Used by one thread; `stop` by any."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        index: Index,
        read: Callable[[Digest], bytes],
        limits: Limits,
        floor: Callable[[int], int] = lambda total: 0,
    ) -> None:
        """`read` gives small content. BlobUnknown. `floor`: see `Space`."""
        self._storage = storage
        self._database = database
        self._index = index
        self._read = read
        self._limits = limits
        self._documents = Documents(storage, database, index, read)
        self._folder: Path = database.path.parent
        self._stopping = Stopping()
        self._space = Space(index.path, floor)
        self._resting = Resting(index.traffic.is_there)

    def stop(self) -> None:
        """Ends what is being made soon, by Stopped."""
        self._stopping.say()

    def layer(self, digest: Digest) -> Made:
        """Reads the layer, unless it is known. OSError, ParserFailed, Busy: it may go better another time.

        StorageFull: there is no room for what is in it.
        """
        known = self._known(digest)
        if known is not None:
            return known
        self._resting.rest()
        record = self._held(digest)
        if record is None:
            return "gone"
        if self._is_loaded(digest):
            return "ready"
        path = self._storage.blob_path(digest, record.generation)
        try:
            self._parse(path, digest)
            self._load(digest)
        except LayerInvalid as error:
            self._check_blob(path, digest)
            reason = str(error)
            self._index.write(lambda connection: mark_unindexable(connection, digest, reason))
            self._make_durable()
            return "unindexable"
        return "ready"

    def missing(self, name: RepositoryName, digest: Digest) -> list[Digest] | None:
        """The layers of an image that are not known, the base first. None: the image, or one of them, is not there."""
        found = manifests.by_digest(self._database.reader(), name, digest)
        if found is None or found.lost:
            return None
        try:
            manifest = parse_manifest(self._read(digest), found.media_type)
        except (BlobUnknown, ManifestInvalid):
            return None
        # What is kept elsewhere nobody reads.
        return self._unknown(layer.digest for layer in manifest.layers if not layer.foreign)

    def missing_of_v1(self, name: RepositoryName, image_id: str) -> list[Digest] | None:
        """`missing` for an image that v1 shows, pushed over whichever API."""
        chain = self._documents.of_image(name, image_id)
        return None if chain is None else self._unknown(chain.layers)

    def image(self, name: RepositoryName, digest: Digest) -> Made:
        """Makes the documents of an image whose layers are known. ContentsPending: one of them is not any more."""
        self._resting.rest()
        with contextlib.suppress(BlobUnknown, ManifestInvalid):
            self._note_labels(name, digest)
        return self._published(self._documents.of_manifest(name, digest))

    def v1_image(self, name: RepositoryName, image_id: str) -> Made:
        """`image` for one that v1 shows, pushed over whichever API."""
        return self._published(self._documents.of_image(name, image_id))

    def _published(self, chain: Chain | None) -> Made:
        if chain is None:
            return "gone"
        try:
            self._documents.publish(chain)
            self._make_durable()
        except ContentsUnindexable:
            return "unindexable"
        return "ready"

    def _note_labels(self, name: RepositoryName, digest: Digest) -> None:
        found = manifests.by_digest(self._database.reader(), name, digest)
        if found is None or labels.are_known(self._index.reader(), digest):
            return
        manifest = parse_manifest(self._read(digest), found.media_type)
        known = None
        held = None if manifest.config is None else blobs.held(self._database.reader(), name, manifest.config.digest)
        if manifest.config is not None and held is not None and held.size <= LARGEST_CONFIG:
            known = parse_image_config(self._read(manifest.config.digest))
        noted = labels.of(known.labels if known is not None else {}, manifest.annotations)
        if noted:
            self._index.write(lambda connection: labels.save(connection, digest, noted))

    def _unknown(self, layers: Iterable[Digest]) -> list[Digest] | None:
        missing = [layer for layer in dict.fromkeys(layers) if self._known(layer) is None]
        return missing if all(self._held(layer) is not None for layer in missing) else None

    def _known(self, digest: Digest) -> Made | None:
        """None too where its table of contents was lost, which says more than the index."""
        with self._index.reading() as connection:
            state = layer_state(connection, digest)
        if state is None:
            return None
        if state.state != "ready":
            return "unindexable"
        return "ready" if self._storage.exists(self._storage.layer_toc_path(digest)) else None

    def _held(self, digest: Digest) -> blobs.Record | None:
        """The row of content that is there."""
        record = blobs.record(self._database.reader(), digest)
        return record if record is not None and record.state in ("live", "condemned") else None

    def _is_loaded(self, digest: Digest) -> bool:
        """Loads the table of contents that is there; whether there is one that is good."""
        try:
            toc.verify(self._storage, self._storage.layer_toc_path(digest))
            self._load(digest)
        except (FileNotFoundError, LayerInvalid):
            return False
        return True

    def _load(self, digest: Digest) -> None:
        path = self._storage.layer_toc_path(digest)
        footer = toc.read_footer(self._storage, path)
        entries = self._stopping.heeding(toc.entries(self._storage, path, footer))
        packages = self._stopping.heeding(toc.packages(self._storage, path, footer))
        load(self._index, digest, footer, self._resting.heeding(self._space.heeding(entries)), packages, self._space)
        self._make_durable()

    def _is_called_off(self) -> bool:
        self._space.demand()
        return self._stopping()

    def _make_durable(self) -> None:
        """What was committed, before the job is done: nobody would ask for it again after a power cut."""
        log = self._index.path.with_name(f"{self._index.path.name}-wal")
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _parse(self, path: str, digest: Digest) -> None:
        """Has the layer read by another process. Its output has no name before it is whole."""
        with tempfile.TemporaryFile(dir=self._folder) as output, self._source(path) as source:
            self._space.demand()
            sandbox.index(source, output, self._limits, self._is_called_off, self._resting)
            output.seek(0)
            self._storage.stream_write(self._storage.layer_toc_path(digest), cast(BinaryIO, output))

    @contextlib.contextmanager
    def _source(self, path: str) -> Iterator[int]:
        """A descriptor of the layer's bytes."""
        if self._storage.capabilities.descriptors:
            descriptor = self._storage.open_descriptor(path)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            return
        with tempfile.TemporaryFile(dir=self._folder) as file:
            for piece in self._stopping.heeding(self._storage.stream_read(path)):
                file.write(piece)
            file.seek(0)
            yield file.fileno()

    def _check_blob(self, path: str, digest: Digest) -> None:
        """ContentDamaged where the bytes are not the layer's: that says nothing of the layer."""
        hasher = new_hasher(digest.algorithm)
        for piece in self._stopping.heeding(self._storage.stream_read(path)):
            hasher.update(piece)
        if Digest.from_hasher(digest.algorithm, hasher) != digest:
            raise ContentDamaged
