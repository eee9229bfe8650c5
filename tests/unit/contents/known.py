"""Layers that are known to contents.db, as a worker leaves them: told by their entries, without an archive."""

import hashlib
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from orlop.contents import toc
from orlop.contents.document_sweep import DocumentSweep
from orlop.contents.documents import Documents
from orlop.contents.entry import Entry
from orlop.contents.index import Index
from orlop.contents.layers import mark_unindexable
from orlop.contents.loading import load
from orlop.contents.v1_documents import V1Documents
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image
from tests.unit.registry.house import NAME, House

_numbers = itertools.count(1)


def file(path: str, content: bytes = b"", **more: int) -> Entry:
    return Entry(path=path, size=len(content), digest=str(Digest.of(content)), mode=0o644, offset=512, **more)


def directory(path: str) -> Entry:
    return Entry(path=path, type="directory", mode=0o755)


def link(path: str, target: str) -> Entry:
    return Entry(path=path, type="symlink", link=target, mode=0o777)


def whiteout(path: str, **more: int) -> Entry:
    folder, _, name = path.rpartition("/")
    return Entry(path=f"{folder}/.wh.{name}", role="whiteout", **more)


def opaque(path: str) -> Entry:
    return Entry(path=f"{path.rstrip('/')}/.wh..wh..opq", role="opaque")


def diff_id_of(digest: Digest) -> str:
    return "sha256:" + hashlib.sha256(b"archive of " + digest.encode()).hexdigest()


class Known:
    """contents.db beside a House, and the use cases of the documents."""

    def __init__(self, house: House, path: Path) -> None:
        self.house = house
        self.index = Index(path)
        parts = (house.storage, house.database, self.index, house.content.read)
        self.documents = Documents(*parts)
        self.v1 = V1Documents(house.storage, house.database, self.index, self.documents)
        self._sweep = DocumentSweep(*parts)

    def layer(self, *entries: Entry) -> bytes:
        """The bytes of a new layer, with these entries."""
        content = b"layer %d" % next(_numbers)
        self.learn(Digest.of(content), entries)
        return content

    def learn(self, digest: Digest, entries: Sequence[Entry], diff_id: str = "") -> None:
        """What a worker does with a layer."""
        written = io.BytesIO()
        writer = toc.TocWriter(written)
        for entry in entries:
            writer.add(entry)
        footer = writer.finish(compression="plain", size=7, unpacked=7, diff_id=diff_id or diff_id_of(digest))
        self.house.storage.put_content(self.house.storage.layer_toc_path(digest), written.getvalue())
        load(self.index, digest, footer, iter(entries), iter(()))

    def refuse(self, digest: Digest, reason: str) -> None:
        self.index.write(lambda connection: mark_unindexable(connection, digest, reason))

    def push(
        self, layers: Sequence[bytes], *tags: str, history: str = "", name: RepositoryName = NAME, kind: str = OCI_LAYER
    ) -> Digest:
        """An image over v2. `history`: a letter for each step, `L` one with a layer, `-` one without."""
        steps = [{"created_by": f"step {number}"} for number in range(len(history))]
        for step, letter in zip(steps, history, strict=True):
            step |= {"empty_layer": True} if letter == "-" else {}  # type: ignore[dict-item]
        config = encode({"os": "linux", "history": steps, "number": next(_numbers)})
        for content in (config, *layers):
            self.house.push_blob(content, name)
        manifest = image(descriptor(config, OCI_CONFIG), [descriptor(layer, kind) for layer in layers])
        return self.house.push(encode(manifest), *tags, name=name).digest

    def publish(self, digest: Digest, name: RepositoryName = NAME) -> str:
        """The documents of a manifest's image; where they are."""
        chain = self.documents.of_manifest(name, digest)
        assert chain is not None
        self.documents.publish(chain)
        namespace, _, repository = name.rpartition("/")
        return f"images/{namespace or '_'}/{repository}/{chain.image_id}"

    def sweep(self, before: float = 2**40) -> int:
        return sum(self._sweep.sweep(before))

    def objects(self, folder: str = "") -> set[str]:
        """The documents in the tree."""
        found = {entry.path for kind in ("images", "chains") for entry in self.house.storage.walk(kind)}
        documents = {path for path in found if path.endswith(("/files.trie", "/diffs.json"))}
        return {path for path in documents if path.startswith(folder)}

    def close(self) -> None:
        self.index.close()
