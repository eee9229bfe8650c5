"""All that a scrub looks at, phase by phase, each in an order that stays, so that it can go on after any subject.

The tree's names come before its objects: a manifest that only the tree knows says of blobs that they are no strays.
Links come last: what is amiss with them is often explained by what was found before.
"""

from collections.abc import Iterator

from orlop.database import scrubbing, v1_images
from orlop.database.engine import Database
from orlop.maintenance.scrub.findings import (
    BLOB,
    CHILD,
    DOCUMENT,
    IMAGE,
    IMAGE_OBJECT,
    IMAGES,
    LINK,
    LINKS,
    MANIFEST,
    NAME,
    OBJECT,
    ROWS,
    TABLE,
    TAG,
    Subject,
)
from orlop.storage.base import Storage

PAGE = 500

PHASES = (
    "relations", "entries", "tag objects", "objects", "blobs", "references", "manifests", "tags", "images",
    "image lists", "image objects", "tables of contents", "documents", "links",
)  # fmt: skip
(
    RELATIONS, ENTRIES, TAG_OBJECTS, OBJECTS, BLOBS, REFERENCES, MANIFESTS, TAGS, OF_V1, LISTS, V1_OBJECTS, TABLES,
    DOCUMENTS, HELD,
) = PHASES  # fmt: skip

Step = tuple[str, Subject | None]
"""A cursor, and what is to be looked at before the phase has come so far; None: nothing was amiss until there."""


class Subjects:
    def __init__(self, storage: Storage, database: Database, *, sparse: bool) -> None:
        """`sparse`: references need not be met."""
        self._storage = storage
        self._database = database
        self._sparse = sparse

    def of(self, phase: str, after: str) -> Iterator[Step]:
        """The steps of a phase after a cursor; empty is its beginning."""
        if phase == RELATIONS:
            return self._relations(after)
        if phase in (ENTRIES, TAG_OBJECTS):
            return self._names(after, entries=phase == ENTRIES)
        if phase == OBJECTS:
            return ((path, Subject(OBJECT, path)) for path in self._paths(self._storage.blobs, after))
        if phase == BLOBS:
            return self._blobs(int(after or 0))
        if phase == REFERENCES:
            return iter(()) if self._sparse else self._references(after)
        if phase == MANIFESTS:
            return self._manifests(int(after or 0))
        if phase == OF_V1:
            return self._images(after)
        if phase == LISTS:
            return self._lists(after)
        if phase == V1_OBJECTS:
            return ((path, Subject(IMAGE_OBJECT, path)) for path in self._paths(self._storage.images, after))
        if phase == TABLES:
            return ((path, Subject(TABLE, path)) for path in self._paths(self._storage.layers, after))
        if phase == DOCUMENTS:
            return ((path, Subject(DOCUMENT, path)) for path in self._paths(self._storage.chains, after))
        return self._links(after) if phase == HELD else self._tags(after)

    def _relations(self, after: str) -> Iterator[Step]:
        position = scrubbing.RELATIONS.index(after) + 1 if after in scrubbing.RELATIONS else 0
        for relation in scrubbing.RELATIONS[position:]:
            yield relation, Subject(ROWS, relation)

    def _links(self, after: str) -> Iterator[Step]:
        while page := scrubbing.repositories_with_dangling_links(self._database.reader(), after, PAGE):
            for after in page:
                yield after, Subject(LINKS, after)

    def _names(self, after: str, *, entries: bool) -> Iterator[Step]:
        for path in self._paths(self._storage.repositories, after):
            if (self._storage.manifest_entry_of_path(path) is not None) == entries:
                yield path, Subject(NAME, path)

    def _paths(self, top: str, after: str) -> Iterator[str]:
        """Every object below the folder `top`, in the order of the folders' names, those of each folder sorted."""
        done = after.split("/")
        for above in self._children(top):
            if above.split("/") < done[:2]:
                continue
            for folder in self._children(above) or [above]:
                if folder.split("/") >= done[:3]:
                    found = [entry.path for entry in self._storage.walk(folder)] or [folder]
                    yield from sorted(
                        (path for path in found if path.split("/") > done), key=lambda path: path.split("/")
                    )

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder), key=lambda path: path.split("/"))
        except FileNotFoundError:  # an object, or gone
            return []

    def _blobs(self, after: int) -> Iterator[Step]:
        while page := scrubbing.page_of_blobs(self._database.reader(), after, PAGE):
            for after, digest in page:
                yield str(after), Subject(BLOB, digest)

    def _references(self, after: str) -> Iterator[Step]:
        while page := scrubbing.page_of_referenced(self._database.reader(), after, PAGE):
            # A digest may be amiss in many repositories: the cursor stays before the page until all was looked at.
            found = {_unmet(unmet) for unmet in scrubbing.unmet(self._database.reader(), after, page[-1])}
            for subject in sorted(found, key=lambda subject: subject.name):
                yield after, subject
            after = page[-1]
            yield after, None

    def _manifests(self, after: int) -> Iterator[Step]:
        while page := scrubbing.page_of_manifests(self._database.reader(), after, PAGE):
            for holding in page:
                if not holding.recorded:
                    yield str(after), Subject(BLOB, holding.digest)
                after = holding.id
                yield str(after), Subject(MANIFEST, f"{holding.repository}@{holding.digest}")

    def _tags(self, after: str) -> Iterator[Step]:
        repository_id, _, name = after.partition(" ")
        last = (int(repository_id or 0), name)
        while page := scrubbing.page_of_tags(self._database.reader(), last, PAGE):
            for row in page:
                last = (row.repository_id, row.name)
                yield f"{last[0]} {last[1]}", Subject(TAG, f"{row.repository}:{row.name}")

    def _images(self, after: str) -> Iterator[Step]:
        repository_id, _, image_id = after.partition(" ")
        last = (int(repository_id or 0), image_id)
        while page := scrubbing.page_of_images(self._database.reader(), last, PAGE):
            for row in page:
                if not row.recorded and row.layer is not None:
                    yield f"{last[0]} {last[1]}", Subject(BLOB, row.layer)
                last = (row.repository_id, row.image_id)
                yield f"{last[0]} {last[1]}", Subject(IMAGE, f"{row.repository}@{row.image_id}")

    def _lists(self, after: str) -> Iterator[Step]:
        while page := v1_images.page_of_repositories(self._database.reader(), after, PAGE):
            for _, after in page:
                yield after, Subject(IMAGES, after)


def _unmet(unmet: scrubbing.Unmet) -> Subject:
    held = f"{unmet.repository}@{unmet.digest}"
    if unmet.kind == "manifest":
        return Subject(CHILD, held)
    return Subject(LINK, held) if unmet.recorded else Subject(BLOB, unmet.digest)
