"""`files.trie` and `diffs.json`: made once for each chain of layers, and linked into the folders of its images.

`docs/formats/tree.md` says what they hold. All of it can be made again, and each step may be cut: objects first, then
links, then the rows of `contents.db` that tell of them. Whoever finds something missing makes it.
"""

import sqlite3
import time
from collections.abc import Sequence

import msgspec

from orlop.contents import chains
from orlop.contents.chains import EMPTY_DIFF_ID, Chain, chain_id
from orlop.contents.index import Index
from orlop.contents.layers import LayerState, ready
from orlop.contents.merge import documents
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, ContentsUnindexable
from orlop.domain.name import RepositoryName
from orlop.storage.base import Storage
from orlop.storage.layout import split_name

NOTHING_CHANGED = b'{"added":[],"changed":[],"removed":[]}'
ATTEMPTS = 3

_LINKED = "SELECT chain_id FROM images WHERE repository = ? AND image_id = ?"


class Documents:
    """Makes the documents. Safe to use from any thread."""

    def __init__(self, storage: Storage, database: Database, index: Index, read: chains.Read) -> None:
        """`read` gives small content by its digest."""
        self._storage = storage
        self._database = database
        self._index = index
        self._read = read

    def of_manifest(self, name: RepositoryName, digest: Digest) -> Chain | None:
        """The image that a manifest of the repository is. None: it is no image, is not whole, or cannot be read."""
        with self._database.snapshot() as connection:
            return chains.of_manifest(connection, self._read, name, digest)

    def of_image(self, name: RepositoryName, image_id: str, manifest: Digest | None = None) -> Chain | None:
        """The image of that id in the repository, whichever API it was pushed over. None: none is complete.

        `manifest`: the one that it is part of, where that is known.
        """
        with self._database.snapshot() as connection:
            return chains.of_image(connection, self._read, name, image_id, manifest)

    def are_due(self, chain: Chain) -> bool:
        """Whether `publish` has something to do, now or once all layers have been looked at."""
        with self._index.reading() as connection:
            try:
                wanted = _id_of([ready(connection, digest) for digest in chain.layers], chain)
            except ContentsPending:
                return True
            except ContentsUnindexable:
                return False
            row = connection.execute(_LINKED, (chain.repository, chain.image_id)).fetchone()
        links = self._links(chain.repository, chain.image_id)
        return row is None or row[0] != wanted or not all(map(self._storage.exists, links))

    def publish(self, chain: Chain) -> str:
        """Makes the documents of the chain, unless they are there, and links them into the image's folder.

        The chain's id. ContentsPending: a layer has not been looked at; ContentsUnindexable: one cannot be read.
        """
        layers = self._layers(chain.layers)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                wanted = self._make(layers, chain)
                links = self._links(chain.repository, chain.image_id)
                for source, link in zip(self._objects(wanted), links, strict=True):
                    self._storage.link(source, link)
                break
            except FileNotFoundError:  # swept in this moment, as no image had it yet
                if attempt == ATTEMPTS:
                    raise
        row = (chain.repository, chain.image_id, wanted, chain.manifest or "")
        self._index.write(lambda connection: _note_image(connection, row))
        return wanted

    def _layers(self, digests: Sequence[Digest]) -> list[LayerState]:
        with self._index.reading() as connection:
            return [ready(connection, digest) for digest in digests]

    def _make(self, layers: Sequence[LayerState], chain: Chain) -> str:
        """Makes the documents of the chain, unless they are there; its id."""
        wanted = _id_of(layers, chain)
        if chain.adds_nothing and layers:
            # The files are those of the layers, which have a chain id of their own.
            below = self._make(layers, chain._replace(adds_nothing=False))
            if not self._is_made(wanted):
                trie_path, diffs_path = self._objects(wanted)
                self._storage.link(self._objects(below)[0], trie_path)
                self._storage.put_content(diffs_path, NOTHING_CHANGED)
                self._note(wanted, chain, self._files(below) or 0)
        elif not self._is_made(wanted):
            with self._index.reading() as connection:
                trie, diffs, files = documents(connection, [layer.id for layer in layers], self._index.path.parent)
            for error in self._storage.put_contents(list(zip(self._objects(wanted), (trie, diffs), strict=True))):
                if error is not None:
                    raise error
            self._note(wanted, chain, files)
        return wanted

    def _note(self, wanted: str, chain: Chain, files: int) -> None:
        digests = msgspec.json.encode(list(map(str, chain.layers))).decode()
        row = (wanted, digests, files, int(time.time() * 1000))
        self._index.write(lambda connection: _note_chain(connection, row))

    def _is_made(self, chain: str) -> bool:
        return self._files(chain) is not None and all(map(self._storage.exists, self._objects(chain)))

    def _files(self, chain: str) -> int | None:
        row = self._index.reader().execute("SELECT files FROM chains WHERE chain_id = ?", (chain,)).fetchone()
        return int(row[0]) if row else None

    def _objects(self, chain: str) -> tuple[str, str]:
        return self._storage.chain_trie_path(chain), self._storage.chain_diffs_path(chain)

    def _links(self, repository: str, image_id: str) -> tuple[str, str]:
        where = (*split_name(repository), image_id)
        return self._storage.image_file_trie_path(*where), self._storage.image_file_diffs_path(*where)


def _id_of(layers: Sequence[LayerState], chain: Chain) -> str:
    """A step without a layer counts as one with an empty archive, if it is the last one."""
    own = [EMPTY_DIFF_ID] if chain.adds_nothing else []
    return chain_id([str(layer.diff_id) for layer in layers] + own)


def _note_chain(connection: sqlite3.Connection, row: tuple[str, str, int, int]) -> None:
    connection.execute("INSERT OR REPLACE INTO chains (chain_id, layers, files, made_at) VALUES (?, ?, ?, ?)", row)


def _note_image(connection: sqlite3.Connection, row: tuple[str, str, str, str]) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO images (repository, image_id, chain_id, manifest) VALUES (?, ?, ?, ?)", row
    )
