"""A backup's database for a tree that has gone on: what the tree has counts, the database adds what it alone knew.

The tree outlived a database that was lost, so it is newer than any backup. A rebuild that begins with the backup's
database keeps, of whatever is unchanged, who pushed it, when, and when it was pulled; what has changed gets an entry in
the tags' history. Accounts, groups, tokens, keys and the audit log are the backup's.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from orlop.database import basis, manifests, snapshot, stores, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import SYSTEM
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.maintenance import identity
from orlop.maintenance.backup_folder import BackupFolder, Description
from orlop.maintenance.rebuild import Progress, Rebuild
from orlop.storage.base import Storage
from orlop.storage.layout import split_name

PAGE = 500


class Reconciliation(Rebuild):
    """One run, with the database of the backup in `folder`."""

    reason = "restore"

    def __init__(
        self,
        storage: Storage,
        path: Path,
        lease: int,
        progress: Callable[[Progress], None],
        folder: BackupFolder,
        description: Description,
    ) -> None:
        super().__init__(storage, path, lease, progress)
        self._folder = folder
        self._description = description

    def _identity(self) -> identity.Identity:
        known = super()._identity()
        # A tree that has lost its description has no mark, and takes the backup's id.
        mark = max(known.mark, self._description.mark + 1)
        accounts = known.accounts or self._description.accounts
        return msgspec.structs.replace(known, store_id=self._description.store_id, mark=mark, accounts=accounts)

    def _lay_basis(self, new: Path) -> None:
        self._folder.fetch_database(self._description, new)

    def _describe(self, database: Database, described: identity.Identity) -> None:
        def unit(connection: Connection) -> None:
            stores.describe(connection, described.store_id, described.mark)
            basis.begin(connection)

        database.write(unit)

    def _point(
        self, connection: Connection, path: str, name: RepositoryName, tag: Tag, digest: Digest, at: int
    ) -> bool:
        # Who moved it and when it was pulled stays.
        return tags.current(connection, name, tag) == digest or super()._point(connection, path, name, tag, digest, at)

    def _drop_rest(self, database: Database) -> None:
        self._drop_tags(database)
        self._drop_manifests(database)
        database.write(basis.drop_unseen_blobs)

    def _drop_tags(self, database: Database) -> None:
        """Those that the tree does not have, or cannot have: their manifest is not in it."""
        after = (0, "")
        while page := snapshot.page_of_tags(database.reader(), after, PAGE):
            gone = [tag for tag in page if not self._names(tag)]

            def unit(connection: Connection, gone: list[snapshot.Tag] = gone) -> None:
                for tag in gone:
                    tags.remove(connection, SYSTEM, tag.repository_id, tag.name)

            database.write(unit)
            after = (page[-1].repository_id, page[-1].name)

    def _names(self, tag: snapshot.Tag) -> bool:
        path = self._storage.tag_path(*split_name(tag.repository), tag.name)
        try:
            return self._storage.get_content(path) == tag.digest.encode()
        except FileNotFoundError:
            return False

    def _drop_manifests(self, database: Database) -> None:
        after = 0
        while page := basis.unseen_manifests(database.reader(), after, PAGE):

            def unit(connection: Connection, page: list[basis.Manifest] = page) -> None:
                for manifest in page:
                    for tag in tags.of_manifest(connection, manifest.id):
                        self._problems.append(f"tag {tag}: it names {manifest.digest}, which the store does not hold")
                        tags.remove(connection, SYSTEM, manifest.repository_id, tag)
                    manifests.remove(connection, manifest.repository_id, manifest.id, manifest.digest)

            database.write(unit)
            after = page[-1].id
