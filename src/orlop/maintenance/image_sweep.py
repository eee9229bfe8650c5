"""Takes away v1 images that nobody needs: no manifest that the repository holds was made of them or on them, and for a
lease nobody has touched them. Images that were not pushed to their end are such, too.

Each repository's go in one commit that takes turns with pushes to it; the tree follows by the outbox.
"""

from collections.abc import Callable, Iterable, Iterator

from orlop.database import outbox, repositories, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.v1_images import Node
from orlop.domain.errors import ImageUnknown, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.registry.names import Change, Names, current
from orlop.registry.v1 import objects
from orlop.registry.v1.objects import Paths
from orlop.storage.base import Storage
from orlop.storage.layout import join_name

PAGE = 1000
BATCH = 200
"""Images that go in one transaction."""


class ImageSweep:
    def __init__(self, storage: Storage, database: Database, names: Names, lease: int, now: Callable[[], int]) -> None:
        """`lease` in milliseconds."""
        self._storage = storage
        self._database = database
        self._names = names
        self._lease = lease
        self._now = now

    def repositories(self, after: str) -> Iterator[tuple[int, RepositoryName]]:
        """Those after that name which have images, or announced ones."""
        while page := v1_images.page_of_repositories(self._database.reader(), after, PAGE):
            for repository_id, name in page:
                yield repository_id, RepositoryName(name)
            after = page[-1][1]

    def sweep(self, repository_id: int, name: RepositoryName) -> Iterator[int]:
        """Takes away the repository's images that nobody needs, batch by batch; yields how many went."""
        self._forget_announced(repository_id, name)
        left = bool(self._doomed(self._database.reader(), repository_id))
        while left:
            gone = self._remove(repository_id, name)
            yield len(gone)
            left = len(gone) == BATCH

    def folders(self, after: str) -> Iterator[str]:
        """The folders of images in the tree, after that one, in order."""
        for namespace in self._children(self._storage.images):
            for repository in self._children(namespace):
                for folder in self._children(repository):
                    if folder > after:
                        yield folder

    def sweep_folder(self, folder: str) -> bool:
        """Takes a folder away that no row knows and that nobody has written to for a lease: a push was cut there."""
        _, namespace, repository, segment = folder.split("/")
        try:
            name = RepositoryName.parse(join_name(namespace, repository))
            image_id = ImageId.parse(segment)
        except (NameInvalid, ImageUnknown):
            return False  # no folder of the registry's: a scrub tells of it
        if self._is_known(name, image_id) or not self._is_cut(folder, Paths.of(self._storage, name, image_id)):
            return False

        def unit(connection: Connection) -> Change:
            entry = outbox.add(connection, "image", name, image_id)
            return entry, current(connection, "image", name, image_id)

        self._publish(name, [self._database.write(unit)])
        return True

    def _doomed(self, connection: Connection, repository_id: int) -> list[Node]:
        return doomed(v1_images.nodes(connection, repository_id), self._now() - self._lease)

    def _remove(self, repository_id: int, name: RepositoryName) -> list[Node]:
        def unit(connection: Connection) -> tuple[list[Node], list[Change]]:
            repositories.lock(connection, name)
            gone = self._doomed(connection, repository_id)[:BATCH]
            changes: list[Change] = []
            for node in gone:
                v1_images.remove(connection, repository_id, node.image_id)
                changes.append((outbox.add(connection, "image", name, node.image_id), None))
            if gone:
                changes.append(self._list(connection, name))
            return gone, changes

        gone, changes = self._database.write(unit)
        self._publish(name, changes)
        return gone

    def _forget_announced(self, repository_id: int, name: RepositoryName) -> None:
        """Images that a client has said it will push, and has not."""
        before = self._now() - self._lease
        if not v1_images.has_announced(self._database.reader(), repository_id, before):
            return

        def unit(connection: Connection) -> list[Change]:
            forgotten = v1_images.unlist_old(connection, repository_id, before)
            return [self._list(connection, name)] if forgotten else []

        self._publish(name, self._database.write(unit))

    def _list(self, connection: Connection, name: RepositoryName) -> Change:
        return outbox.add(connection, "images", name, ""), v1_images.list_text(connection, name)

    def _publish(self, name: RepositoryName, changes: list[Change]) -> None:
        self._names.publish(changes)
        # Where one has been pushed again to its end meanwhile, more went than its JSON, which is back.
        for entry, _ in changes:
            image = v1_images.find_in(self._database.reader(), name, entry.name) if entry.kind == "image" else None
            if image is not None and image.state == "complete":
                objects.write(self._storage, self._database.reader(), name, image)

    def _is_known(self, name: RepositoryName, image_id: ImageId) -> bool:
        return v1_images.find_in(self._database.reader(), name, image_id) is not None

    def _is_cut(self, folder: str, paths: Paths) -> bool:
        """Whether objects of a push are in it, and all of them are older than a lease."""
        found = {entry.path: entry.modified for entry in self._storage.walk(folder)}
        written = [found[path] for path in paths if path in found]
        # A layer is as old as its blob.
        return bool(written) and max(written) * 1000 < self._now() - self._lease

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder))
        except FileNotFoundError:
            return []


def doomed(nodes: Iterable[Node], before: int, released: Iterable[str] = ()) -> list[Node]:
    """Of a repository's images those that go: untouched since `before`, with no manifest but `released` ones made of
    them or of what lies on them, and with nothing on them that stays."""
    by_id = {node.image_id: node for node in nodes}
    gone_manifests = set(released)
    kept: set[str] = set()
    for node in by_id.values():
        wanted: str | None = node.image_id
        if node.updated_at < before and (node.manifest is None or node.manifest in gone_manifests):
            continue
        while wanted is not None and wanted not in kept and wanted in by_id:
            kept.add(wanted)
            wanted = by_id[wanted].parent
    return [node for node in by_id.values() if node.image_id not in kept]
