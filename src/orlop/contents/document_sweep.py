"""Takes away `files.trie` and `diffs.json` of images that are gone, and chains that no image has any more."""

import sqlite3
from collections.abc import Iterator

from orlop.contents import chains
from orlop.contents.index import Index
from orlop.database import manifests, v1_images
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import ImageUnknown, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.storage.base import Storage
from orlop.storage.layout import join_name, split_name

PAGE = 500


class DocumentSweep:
    """One pass. What is linked while it runs stays, or is made again by whoever links it."""

    def __init__(self, storage: Storage, database: Database, index: Index, read: chains.Read) -> None:
        self._storage = storage
        self._database = database
        self._index = index
        self._read = read
        self._known: tuple[str, dict[str, str]] = ("", {})

    def sweep(self, before: float) -> Iterator[int]:
        """Yields how many objects went, bit by bit.

        Chains that were written after `before` (seconds since 1970) stay: their links may be on the way.
        """
        self._known = ("", {})
        yield from self._images()
        yield from self._folders()
        yield from self._chains(before)

    def _images(self) -> Iterator[int]:
        """Of images that have a row."""
        after = ("", "")
        while page := self._page(after):
            for repository, image_id, manifest in page:
                after = (repository, image_id)
                if self._is_held(repository, image_id, manifest):
                    continue
                other = self._holder(repository, image_id)
                if other is None:
                    yield self._remove_links(repository, image_id)
                # The row goes last: whatever stops this, the next pass finds it.
                self._index.write(lambda connection, row=(other, *after): _move(connection, *row))  # type: ignore[misc]

    def _page(self, after: tuple[str, str]) -> list[tuple[str, str, str]]:
        return self._index.reader().execute(
            "SELECT repository, image_id, manifest FROM images WHERE (repository, image_id) > (?, ?)"
            " ORDER BY repository, image_id LIMIT ?",
            (*after, PAGE),
        ).fetchall()  # fmt: skip

    def _folders(self) -> Iterator[int]:
        """Of images that have none: it was lost, or never came to be."""
        for namespace in self._children(self._storage.images):
            for folder in self._children(namespace):
                for image in self._children(folder):
                    yield self._sweep_folder(image)

    def _sweep_folder(self, folder: str) -> int:
        _, namespace, repository, segment = folder.split("/")
        try:
            name = RepositoryName.parse(join_name(namespace, repository))
            image_id = ImageId.parse(segment)
        except (NameInvalid, ImageUnknown):
            return 0  # no folder of the registry's
        if not any(map(self._storage.exists, self._links(name, image_id))) or self._has_row(name, image_id):
            return 0
        is_needed = self._is_held(name, image_id, "") or self._holder(name, image_id) is not None
        return 0 if is_needed else self._remove_links(name, image_id)

    def _has_row(self, name: str, image_id: str) -> bool:
        query = "SELECT 1 FROM images WHERE repository = ? AND image_id = ?"
        return self._index.reader().execute(query, (name, image_id)).fetchone() is not None

    def _is_held(self, repository: str, image_id: str, manifest: str) -> bool:
        """Whether the image is there: one of v1, or the manifest that its id comes from."""
        name = RepositoryName(repository)
        with self._database.snapshot() as connection:
            if v1_images.find_in(connection, name, image_id) is not None:
                return True
            return bool(manifest) and manifests.by_digest(connection, name, Digest(manifest)) is not None

    def _holder(self, repository: str, image_id: str) -> str | None:
        """A manifest of the repository that has this image in it."""
        if self._known[0] != repository:
            with self._database.snapshot() as connection:
                self._known = (repository, chains.all_ids(connection, self._read, RepositoryName(repository)))
        return self._known[1].get(image_id)

    def _chains(self, before: float) -> Iterator[int]:
        for folder in self._children(self._storage.chains):
            chain = folder.rpartition("/")[2]
            if self._is_linked(chain):
                continue
            written = [entry.modified for entry in self._storage.walk(folder)]
            if written and max(written) < before:
                yield self._remove([self._storage.chain_trie_path(chain), self._storage.chain_diffs_path(chain)])
        self._index.write(_forget_unlinked)

    def _is_linked(self, chain: str) -> bool:
        return self._index.reader().execute(_LINKED, (chain,)).fetchone() is not None

    def _remove_links(self, repository: str, image_id: str) -> int:
        return self._remove(self._links(repository, image_id))

    def _remove(self, paths: list[str]) -> int:
        gone = 0
        for path in paths:
            try:
                self._storage.remove(path)
                gone += 1
            except FileNotFoundError:
                continue
        self._storage.sync(paths)
        return gone

    def _links(self, repository: str, image_id: str) -> list[str]:
        where = (*split_name(repository), image_id)
        return [self._storage.image_file_trie_path(*where), self._storage.image_file_diffs_path(*where)]

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder))
        except FileNotFoundError:
            return []


# Also a chain with the layers of one that an image has: that may differ by an empty step.
_LINKED = """
SELECT 1 FROM chains AS chain JOIN chains AS other ON other.layers = chain.layers
JOIN images ON images.chain_id = other.chain_id
WHERE chain.chain_id = ? LIMIT 1
"""
_FORGET = """
DELETE FROM chains WHERE layers NOT IN
(SELECT chains.layers FROM images JOIN chains ON chains.chain_id = images.chain_id)
"""


def _move(connection: sqlite3.Connection, manifest: str | None, repository: str, image_id: str) -> None:
    if manifest is None:
        query = "DELETE FROM images WHERE repository = ? AND image_id = ?"
        connection.execute(query, (repository, image_id))
    else:
        query = "UPDATE images SET manifest = ? WHERE repository = ? AND image_id = ?"
        connection.execute(query, (manifest, repository, image_id))


def _forget_unlinked(connection: sqlite3.Connection) -> None:
    """A chain's row without a link says nothing: whoever makes the chain again writes it anew."""
    connection.execute(_FORGET)
