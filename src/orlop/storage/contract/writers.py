"""Cases of objects that are built in place."""

import os

from orlop.storage.base import Storage
from orlop.storage.contract.expect import absent, equal, holds, paths, raises, true


class Writers:
    """What the contract promises of writers."""

    def test_a_writer_makes_an_object_that_grows(self, storage: Storage) -> None:
        with storage.open_writer("a/b/data") as writer:
            equal(writer.size, 0)
            true(storage.exists("a/b/data"), "it doesn't exist before the first write")
            writer.write(b"0123")
            equal(writer.size, 4)
            equal(storage.get_size("a/b/data"), 4)
            equal(storage.get_content("a/b/data"), b"0123")
            writer.write(bytearray(b"45"))
            writer.write(memoryview(b"xx6789xx")[2:6])
            writer.write(b"")
            equal(writer.size, 10)
            writer.sync()
        holds(storage, "a/b/data", b"0123456789")

    def test_a_writer_is_continued_at_its_end(self, storage: Storage) -> None:
        wanted = b""
        with storage.open_writer("a/data"):
            pass
        for number in range(5):
            piece = os.urandom(number * 70_000)
            with storage.open_writer("a/data", append=True) as writer:
                equal(writer.size, len(wanted))
                writer.write(piece)
                wanted += piece
                equal(writer.size, len(wanted))
        holds(storage, "a/data", wanted)

    def test_an_object_that_was_put_can_be_continued(self, storage: Storage) -> None:
        storage.put_content("a/data", b"begun ")
        with storage.open_writer("a/data", append=True) as writer:
            writer.write(b"and done")
        holds(storage, "a/data", b"begun and done")

    def test_what_is_missing_is_not_continued(self, storage: Storage) -> None:
        storage.put_content("a/object", b"content")
        for path in ("missing", "a/missing", "a", "a/object/below"):
            with raises(FileNotFoundError, f"open_writer({path!r})"):
                storage.open_writer(path, append=True)
        equal(paths(storage), ["a/object"])

    def test_writev_writes_all_buffers(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.writev([b"one ", bytearray(b"two "), b"", memoryview(b"three")])
            equal(writer.size, 13)
            writer.writev([])
            buffers = [bytes([number % 256]) * (number % 7) for number in range(3000)]
            writer.writev(list(buffers))
        holds(storage, "a/data", b"one two three" + b"".join(buffers))

    def test_large_writes(self, storage: Storage) -> None:
        piece = os.urandom(1 << 20)
        with storage.open_writer("a/data") as writer:
            for _ in range(8):
                writer.writev([piece, piece[:3]])
            writer.sync()
        true(storage.get_content("a/data") == (piece + piece[:3]) * 8, "other bytes came back")

    def test_there_is_one_writer_at_a_time(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.write(b"first")
            for append in (False, True):
                with raises(BlockingIOError, f"append={append}"):
                    storage.open_writer("a/data", append=append)
            with storage.open_writer("a/other") as other:
                other.write(b"other")
            writer.write(b" last")
        with storage.open_writer("a/data", append=True) as writer:
            equal(writer.size, 10)
        holds(storage, "a/data", b"first last")

    def test_closing_twice_does_not_end_the_next_ones_turn(self, storage: Storage) -> None:
        first = storage.open_writer("a/data")
        first.close()
        with storage.open_writer("a/data", append=True) as second:
            first.close()
            with raises(BlockingIOError):
                storage.open_writer("a/data", append=True)
            with raises(ValueError, "a write after close"):
                first.write(b"late")
            equal(second.size, 0)

    def test_a_new_writer_begins_an_empty_object(self, storage: Storage) -> None:
        storage.put_content("a/data", b"the old one" * storage.buffer_size)
        stream = storage.stream_read("a/data")
        old = next(stream)
        with storage.open_writer("a/data") as writer:
            equal(writer.size, 0)
            writer.write(b"new")
        holds(storage, "a/data", b"new")
        equal(old + b"".join(stream), b"the old one" * storage.buffer_size)

    def test_bytes_stay_when_the_block_fails(self, storage: Storage) -> None:
        with raises(ZeroDivisionError), storage.open_writer("a/data") as writer:
            writer.write(b"kept")
            raise ZeroDivisionError
        holds(storage, "a/data", b"kept")
        storage.open_writer("a/data", append=True).close()

    def test_bytes_can_be_taken_back(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.write(b"0123456789")
            for size in (11, -1):
                with raises(ValueError, f"truncate({size})"):
                    writer.truncate(size)
            writer.truncate(10)
            writer.truncate(4)
            equal(writer.size, 4)
            writer.write(b"xyz")
        holds(storage, "a/data", b"0123xyz")

    def test_writeback_is_only_a_hint(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.write(bytes(100_000))
            for offset, length in ((0, 100_000), (50_000, 0), (1 << 40, 1), (-1, -1)):
                writer.start_writeback(offset, length)
            equal(writer.size, 100_000)
        writer.start_writeback(0, 10)

    def test_what_a_writer_made_can_be_moved(self, storage: Storage) -> None:
        storage.put_content("blobs/target", b"the old one")
        with storage.open_writer("uploads/1/data") as writer:
            writer.write(b"content")
            writer.sync()
            storage.move("uploads/1/data", "blobs/target")
            equal(writer.size, 7)
            # The path is free again: what is made there is another object.
            with storage.open_writer("uploads/1/data") as other:
                other.write(b"other")
        holds(storage, "blobs/target", b"content")
        holds(storage, "uploads/1/data", b"other")

    def test_a_moved_object_stays_its_writers(self, storage: Storage) -> None:
        with storage.open_writer("a/source") as writer:
            storage.move("a/source", "b/target")
            with raises(BlockingIOError):
                storage.open_writer("b/target", append=True)
            with raises(FileNotFoundError):
                storage.open_writer("a/source", append=True)
            writer.write(b"late")
        holds(storage, "b/target", b"late")

    def test_an_upload_is_cancelled_with_its_folder(self, storage: Storage) -> None:
        with storage.open_writer("uploads/1/data") as writer:
            writer.write(b"content")
            storage.remove("uploads/1")
            absent(storage, "uploads/1/data")
            with storage.open_writer("uploads/1/data") as other:
                equal(other.size, 0)

    def test_a_put_replaces_what_a_writer_builds(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.write(b"content")
            storage.put_content("a/data", b"put")
            writer.write(b" and more")
        holds(storage, "a/data", b"put")

    def test_a_copy_of_what_a_writer_builds_is_final(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            writer.write(b"content")
            storage.copy("a/data", "a/copy")
            writer.write(b" and more")
        holds(storage, "a/copy", b"content")
        holds(storage, "a/data", b"content and more")

    def test_shared_bytes_are_final(self, storage: Storage) -> None:
        storage.put_content("a/blob", b"content")
        storage.link("a/blob", "a/link")
        if storage.capabilities.hard_links:
            for path in ("a/blob", "a/link"):
                with raises(PermissionError):
                    storage.open_writer(path, append=True)
        with storage.open_writer("a/link") as writer:
            writer.write(b"new")
        holds(storage, "a/blob", b"content")
        holds(storage, "a/link", b"new")

    def test_descriptors_of_writers_are_as_declared(self, storage: Storage) -> None:
        with storage.open_writer("a/data") as writer:
            if not storage.capabilities.descriptors:
                with raises(NotImplementedError, "fileno"):
                    writer.fileno()
                return
            writer.write(b"by the writer, ")
            os.write(writer.fileno(), b"by its descriptor, ")
            equal(writer.size, 34)
            writer.write(b"by the writer")
        holds(storage, "a/data", b"by the writer, by its descriptor, by the writer")
