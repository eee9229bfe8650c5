"""Blobs as clients ask for them: in a repository, by digest."""

from orlop.database import audit, blobs, leases, repositories, v1_images
from orlop.database.blobs import Held
from orlop.database.connection import Connection
from orlop.domain.access import PULL, PUSH
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobInUse, BlobUnknown
from orlop.domain.name import RepositoryName
from orlop.registry.content import Content
from orlop.steps import COMMIT, Step, Steps

NOWHERE = RepositoryName("")
"""No repository has this name."""


class Blobs:
    """Reading, mounting and deleting. Pushing is `Uploads`."""

    def __init__(self, content: Content, lease: int) -> None:
        """`lease` in milliseconds."""
        self.content = content
        self.lease = lease

    def find(self, caller: Caller, name: RepositoryName, digest: Digest) -> Held:
        """The blob in that repository, else BlobUnknown."""
        return self.find_on(self.content.database.reader(), name, digest)

    def find_on(self, connection: Connection, name: RepositoryName, digest: Digest, *, firmly: bool = False) -> Held:
        """`find` on a given connection: the event loop has one of its own. `firmly`: see `blobs.held`."""
        held = blobs.held(connection, name, digest, firmly=firmly)
        if held is None:
            raise BlobUnknown(detail={"digest": digest})
        return held

    def lease_due(self, caller: Caller, name: RepositoryName, held: Held, now: int) -> bool:
        """Whether less than half of the lease is left, and the caller may push and thus count on it."""
        return held.lease_expires_at < now + self.lease // 2 and PUSH in caller.authority.actions(name)

    def renew(self, caller: Caller, name: RepositoryName, digest: Digest) -> Steps[Held]:
        """Renews the lease of a blob that a client was told of, so that its manifest may count on it."""

        def unit(connection: Connection) -> Held:
            held = self.find_on(connection, name, digest, firmly=True)
            leases.renew(connection, held.repository_id, digest, self.lease)
            return held

        held: Held = yield Step(COMMIT, self.content.database.write_all, unit)
        return held

    def mount(self, caller: Caller, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        """Makes a blob of `source`, or of any repository that the caller may read, one of this repository's.

        False where there is none: the client uploads it then.
        """
        reader = self.content.database.reader()
        if not self._readable(reader, caller, digest, source):
            return False

        def unit(connection: Connection) -> bool:
            if not self._readable(connection, caller, digest, source):
                return False
            repository_id = repositories.ensure(connection, name)
            blobs.link(connection, repository_id, digest)
            leases.renew(connection, repository_id, digest, self.lease)
            audit.add(connection, caller, "blob.mount", name, digest, {"from": source} if source else None)
            return True

        return self.content.database.write(unit)

    def delete(self, caller: Caller, name: RepositoryName, digest: Digest) -> None:
        """Takes the blob out of this repository. BlobInUse where one of its manifests needs it."""

        def unit(connection: Connection) -> None:
            repositories.lock(connection, name)
            repository_id = self.find_on(connection, name, digest).repository_id
            needed = blobs.needed_by(connection, repository_id, digest)
            if needed is not None:
                raise BlobInUse(f"blob is part of manifest {needed}: delete that first", detail={"manifest": needed})
            image = v1_images.holding(connection, repository_id, digest)
            if image is not None:
                raise BlobInUse(f"blob is the layer of image {image}", detail={"image": image})
            blobs.unlink(connection, repository_id, digest)
            leases.drop(connection, repository_id, digest)
            audit.add(connection, caller, "blob.delete", name, digest)

        self.content.database.write(unit)

    def _readable(self, connection: Connection, caller: Caller, digest: Digest, source: RepositoryName | None) -> bool:
        if source is None:
            return blobs.held_anywhere(connection, digest, caller.authority.readable)
        if PULL not in caller.authority.actions(source):
            source = NOWHERE  # it is looked for all the same: what may not be read takes as long as what is not there
        return blobs.held(connection, source, digest, firmly=True) is not None
