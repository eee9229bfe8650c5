"""Uploads: sessions in which a blob arrives, in one piece or in chunks.

An upload's object in the store tells how many bytes it holds. Its row remembers how many it held when the last request
ended, and their digest: chunks are synced only with the last one, and a power cut may take some of those before.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from orlop.database import audit, blobs, leases, repositories, uploads
from orlop.database.connection import Connection
from orlop.database.uploads import Upload
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest, Hasher, new_hasher
from orlop.domain.errors import DigestInvalid, UploadBusy, UploadOutOfOrder, UploadUnknown
from orlop.domain.name import RepositoryName
from orlop.registry.content import Content
from orlop.registry.space import Room
from orlop.steps import COMMIT, Step, Steps
from orlop.storage.base import Buffer, Writer

WRITEBACK = 8 * 1024 * 1024
"""Bytes after which the disk is told to begin: the last sync finds little left to do then."""

HASHERS = 1024


class OpenUpload:
    """An upload that one request is writing to. `write` and `hash` may run side by side, each in order."""

    def __init__(self, upload: Upload, name: RepositoryName, writer: Writer, hasher: Hasher | None) -> None:
        self.id = upload.id
        self.name = name
        self.row = upload
        self.algorithm = upload.algorithm
        self.begun_at = writer.size
        self.size = self.begun_at
        self.writer = writer
        self.hasher = hasher
        self._written_back = self.size
        self.closed = False
        self.on_write: Callable[[int], None] | None = None
        """Told how many bytes will be written, before each write; may raise to stop the upload."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Appends to the object. OSError: the disk would not take it."""
        size = sum(map(len, buffers))
        try:
            if self.on_write is not None:
                self.on_write(size)
            self.writer.writev(list(buffers))
        except BaseException:
            self.hasher = None  # it may have seen bytes that are not in the object
            raise
        self.size += size
        if self.size - self._written_back >= WRITEBACK:
            self.writer.start_writeback(self._written_back, self.size - self._written_back)
            self._written_back = self.size

    def hash(self, buffers: Sequence[Buffer]) -> None:
        hasher = self.hasher
        if hasher is not None:
            for buffer in buffers:
                hasher.update(buffer)

    def digest(self) -> str:
        """The hex of the digest so far, empty where it isn't known."""
        return self.hasher.hexdigest() if self.hasher is not None else ""


class Uploads:
    """Starts, continues, finishes and ends uploads."""

    def __init__(self, content: Content, room: Room, *, lifetime: int, lease: int) -> None:
        """`lifetime` of an idle upload and `lease` of a new blob in milliseconds."""
        self._content = content
        self._storage = content.storage
        self._database = content.database
        self.room = room
        self._lifetime = lifetime
        self._lease = lease
        self._hashers = _Hashers()

    def start(self, caller: Caller, name: RepositoryName, algorithm: str = "sha256") -> Steps[str]:
        """A new upload's id: 160 random bits."""
        self.room.check()
        upload_id = secrets.token_hex(20)

        def unit(connection: Connection) -> None:
            repository_id = repositories.ensure(connection, name)
            uploads.start(connection, upload_id, repository_id, caller.account, algorithm, self._lifetime)

        yield Step(COMMIT, self._database.write_all, unit)
        return upload_id

    def size(self, caller: Caller, name: RepositoryName, upload_id: str) -> int:
        """How many bytes the upload holds."""
        row = self._find(caller, name, upload_id)
        held = self._held(upload_id)
        return held if held >= row.hashed_size else 0

    def open(self, caller: Caller, name: RepositoryName, upload_id: str, offset: int | None = None) -> OpenUpload:
        """The upload, for writing at its end. `suspend`, `finish` or `close` must follow.

        UploadBusy: another request writes to it. UploadOutOfOrder: `offset` is not its end.
        """
        row = self._find(caller, name, upload_id)
        writer = self._writer(upload_id)
        size = writer.size
        if size < row.hashed_size:
            self._demand_alive(upload_id, writer)
            # A power cut took some of what was acknowledged. The last bytes of what it left may be zeros.
            writer.truncate(0)
            size = 0
        if offset is not None and offset != size:
            writer.close()
            raise UploadOutOfOrder(size)
        return OpenUpload(row, name, writer, self._hashers.take(upload_id, size, row.algorithm))

    def _demand_alive(self, upload_id: str, writer: Writer) -> None:
        """UploadUnknown where another request has just made a blob of the bytes.

        A store that cannot share bytes has them moved before that is recorded.
        """
        alive = uploads.exists(self._database.reader(), upload_id)
        if not alive or not self._storage.capabilities.hard_links:
            writer.close()
            self._discard(upload_id)
            raise UploadUnknown

    def suspend(self, upload: OpenUpload) -> None:
        """Ends a request's writing; the upload goes on at its `size`."""
        try:
            upload.size = upload.writer.size
            hex_ = upload.digest()
            known = self._database.write(
                lambda connection: uploads.advance(connection, upload.id, upload.size, hex_, self._lifetime)
            )
        finally:
            self.close(upload)
        if not known:
            self._discard(upload.id)
            raise UploadUnknown

    def close(self, upload: OpenUpload) -> None:
        """Lets go of the upload without recording anything, as when its request was cut."""
        upload.closed = True
        if upload.hasher is not None and upload.size == upload.writer.size:
            self._hashers.keep(upload.id, upload.size, upload.hasher)
        upload.writer.close()

    def undo(self, upload: OpenUpload) -> None:
        """Drops what this request has appended, so that it can be sent again as it was."""
        if upload.size != upload.begun_at:
            upload.writer.truncate(upload.begun_at)
            upload.size = upload.begun_at
            upload.hasher = None

    def finish(self, caller: Caller, upload: OpenUpload, digest: Digest) -> None:
        """Makes the upload a blob of its repository.

        DigestInvalid: its content has another digest. It stays open then, as it was before this request.
        """
        try:
            found = self._digest(upload, digest.algorithm)
            if found != digest:
                from_before = upload.hasher is None
                self.undo(upload)
                if from_before and self._is_damaged(upload):
                    upload.writer.truncate(0)
                raise _mismatch(digest, found)
            upload.writer.sync()
            self._content.commit(
                digest,
                upload.size,
                lambda path: self._place(upload, path),
                lambda connection: self._record(connection, caller, upload, digest),
            )
        except FileNotFoundError as error:
            raise UploadUnknown from error  # cancelled meanwhile
        finally:
            self.close(upload)
        self._discard(upload.id)

    def finish_as_it_is(self, caller: Caller, upload: OpenUpload) -> tuple[Digest, int]:
        """Makes the upload a blob under whatever digest its content has; that, and its size."""
        digest = self._digest(upload, upload.algorithm)
        self.finish(caller, upload, digest)
        return digest, upload.size

    def finish_object(self, caller: Caller, name: RepositoryName, upload_id: str) -> tuple[Digest, int]:
        """Makes the upload a blob, whose object was put there as a whole and durably, under whatever digest it has;
        that, and its size."""
        row = self._find(caller, name, upload_id)
        path = self._storage.upload_path(upload_id)
        hasher = new_hasher(row.algorithm)
        size = 0
        for piece in self._storage.stream_read(path):
            hasher.update(piece)
            size += len(piece)
        digest = Digest.from_hasher(row.algorithm, hasher)

        def record(connection: Connection) -> None:
            if not uploads.end(connection, upload_id):
                raise UploadUnknown
            self._link(connection, caller, name, row.repository_id, digest)

        bring = self._storage.link if self._storage.capabilities.hard_links else self._storage.move
        self._content.commit(digest, size, lambda target: bring(path, target), record)
        self._discard(upload_id)
        return digest, size

    def drop(self, upload_id: str) -> None:
        """Ends an upload that was begun for nothing, if it has not ended."""
        self._database.write(lambda connection: uploads.end(connection, upload_id))
        self._discard(upload_id)

    def finish_whole(
        self, caller: Caller, name: RepositoryName, upload_id: str, content: bytes, digest: Digest
    ) -> Steps[bool]:
        """Finishes an upload that holds nothing with all of its content at hand: no object is made in between.

        False where it holds bytes already: `finish_with` is for that.
        """
        row = self._find(caller, name, upload_id)
        if self._held(upload_id):
            return False
        yield from self._put(caller, name, content, digest, row)
        return True

    def finish_with(self, caller: Caller, name: RepositoryName, upload_id: str, content: bytes, digest: Digest) -> None:
        """Appends content that is at hand, and finishes."""
        upload = self.open(caller, name, upload_id)
        try:
            upload.write([content])
            upload.hash([content])
            self.finish(caller, upload, digest)
        finally:
            if not upload.closed:
                self.close(upload)

    def create(self, caller: Caller, name: RepositoryName, content: bytes, digest: Digest) -> Steps[None]:
        """Makes content at hand a blob at once, without a session."""
        return self._put(caller, name, content, digest, None)

    def cancel(self, caller: Caller, name: RepositoryName, upload_id: str) -> None:
        """Ends the upload and drops its bytes."""
        self._find(caller, name, upload_id)

        def unit(connection: Connection) -> bool:
            ended = uploads.end(connection, upload_id)
            if ended:
                audit.add(connection, caller, "upload.cancel", name, upload_id)
            return ended

        if not self._database.write(unit):
            raise UploadUnknown
        self._discard(upload_id)

    def expire(self) -> int:
        """Ends the uploads whose time is over, and drops the bytes of those that ended without it; how many."""
        expired = uploads.expired(self._database.reader())
        for upload_id in expired:
            self._database.write(lambda connection, upload_id=upload_id: uploads.end(connection, upload_id))  # type: ignore[misc]
            self._discard(upload_id)
        return len(expired) + self._sweep()

    def _sweep(self) -> int:
        """Drops what a process that was killed between an upload's end and this left. A row comes before its bytes."""
        try:
            found = [path.rpartition("/")[2] for path in self._storage.list_directory(self._storage.uploads)]
        except FileNotFoundError:
            return 0
        ended = [upload_id for upload_id in found if not uploads.exists(self._database.reader(), upload_id)]
        for upload_id in ended:
            self._discard(upload_id)
        return len(ended)

    def _put(
        self, caller: Caller, name: RepositoryName, content: bytes, digest: Digest, row: Upload | None
    ) -> Steps[None]:
        found = Digest.of(content, digest.algorithm)
        if found != digest:
            raise _mismatch(digest, found)

        def record(connection: Connection) -> None:
            repository_id = row.repository_id if row else repositories.ensure(connection, name)
            if row is not None and not uploads.end(connection, row.id):
                raise UploadUnknown
            self._link(connection, caller, name, repository_id, digest)

        yield from self._content.put(digest, content, record)

    def _place(self, upload: OpenUpload, path: str) -> None:
        """Brings the bytes to their key. By a link where that can be: should the commit fail, or the process end before
        it, the upload holds what it was told to hold."""
        bring = self._storage.link if self._storage.capabilities.hard_links else self._storage.move
        bring(self._storage.upload_path(upload.id), path)

    def _record(self, connection: Connection, caller: Caller, upload: OpenUpload, digest: Digest) -> None:
        if not uploads.end(connection, upload.id):
            raise UploadUnknown  # cancelled meanwhile
        self._link(connection, caller, upload.name, upload.row.repository_id, digest)

    def _link(
        self, connection: Connection, caller: Caller, name: RepositoryName, repository_id: int, digest: Digest
    ) -> None:
        blobs.link(connection, repository_id, digest)
        leases.renew(connection, repository_id, digest, self._lease)
        audit.add(connection, caller, "blob.push", name, digest)

    def _find(self, caller: Caller, name: RepositoryName, upload_id: str) -> Upload:
        row = uploads.find(self._database.reader(), upload_id, name, caller.account)
        if row is None:
            raise UploadUnknown
        return row

    def _held(self, upload_id: str) -> int:
        try:
            return self._storage.get_size(self._storage.upload_path(upload_id))
        except FileNotFoundError:
            return 0  # nothing has arrived yet

    def _writer(self, upload_id: str) -> Writer:
        path = self._storage.upload_path(upload_id)
        try:
            try:
                return self._storage.open_writer(path, append=True)
            except FileNotFoundError:
                return self._storage.open_writer(path)
            except PermissionError:
                # An earlier request shared the bytes with a blob and did not come to record that.
                self._storage.copy(path, path)
                return self._storage.open_writer(path, append=True)
        except BlockingIOError as error:
            raise UploadBusy from error

    def _digest(self, upload: OpenUpload, algorithm: str) -> Digest:
        """Of what is in the object. Only this process's own word is taken for it: a power cut may have been since."""
        if algorithm == upload.algorithm and upload.hasher is not None:
            return Digest(f"{algorithm}:{upload.hasher.hexdigest()}")
        return self._read_digest(upload, algorithm)

    def _is_damaged(self, upload: OpenUpload) -> bool:
        """Whether what was acknowledged before this process began is not what lies there."""
        row = upload.row
        if not row.hashed_hex:
            return False
        return self._read_digest(upload, row.algorithm, row.hashed_size).hex != row.hashed_hex

    def _read_digest(self, upload: OpenUpload, algorithm: str, size: int | None = None) -> Digest:
        hasher = new_hasher(algorithm)
        part = (0, size - 1) if size else None
        for piece in self._storage.stream_read(self._storage.upload_path(upload.id), part):
            hasher.update(piece)
        return Digest.from_hasher(algorithm, hasher)

    def _discard(self, upload_id: str) -> None:
        self._hashers.drop(upload_id)
        try:
            self._storage.remove(self._storage.upload_path(upload_id).rpartition("/")[0])
        except FileNotFoundError:
            return


class _Hashers:
    """Hash states of uploads between two chunks. Only a saving: without one, the upload is read again when it ends."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[int, Hasher]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, upload_id: str, size: int, algorithm: str) -> Hasher | None:
        """The state after `size` bytes, where it is known."""
        with self._lock:
            held = self._states.pop(upload_id, None)
        if size == 0:
            return new_hasher(algorithm)
        return held[1] if held is not None and held[0] == size else None

    def keep(self, upload_id: str, size: int, hasher: Hasher) -> None:
        with self._lock:
            self._states[upload_id] = (size, hasher)
            if len(self._states) > HASHERS:
                self._states.popitem(last=False)

    def drop(self, upload_id: str) -> None:
        with self._lock:
            self._states.pop(upload_id, None)


def _mismatch(wanted: Digest, found: Digest) -> DigestInvalid:
    return DigestInvalid(
        "the content has another digest than the request names", detail={"wanted": wanted, "found": found}
    )
