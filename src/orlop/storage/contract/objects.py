"""Cases of whole objects: put, stream, read, move, copy, link, remove."""

import io
import os
import tarfile

from orlop.storage.base import Storage
from orlop.storage.contract.expect import Source, absent, equal, holds, paths, raises, true
from orlop.storage.contract.upstream import layout_paths

MIB = 1 << 20


class _SourceBroke(Exception):
    pass


class Objects:
    """What the contract promises of one object."""

    def test_put_replaces_longer_and_shorter(self, storage: Storage) -> None:
        for content in (b"some content", b"x", b"", os.urandom(100_000), b"end"):
            storage.put_content("a/b", content)
            holds(storage, "a/b", content)

    def test_put_says_where_the_object_lies(self, storage: Storage) -> None:
        true(storage.put_content("a/b", b"content").endswith("a/b"), "the answer doesn't end with the path")

    def test_several_are_put_at_once(self, storage: Storage) -> None:
        for durable in (True, False):
            for count in (0, 1, 2, 40):
                contents = [(f"a/{count}/{number % 3}/{number}", os.urandom(number * 900)) for number in range(count)]
                equal(storage.put_contents(contents, durable=durable), [None] * count)
                for path, content in contents:
                    holds(storage, path, content)

    def test_the_last_of_several_for_one_path_stays(self, storage: Storage) -> None:
        storage.put_content("a/b", b"old")
        equal(storage.put_contents([("a/b", b"1"), ("a/c", b"2"), ("a/b", b"3")]), [None] * 3)
        holds(storage, "a/b", b"3")
        holds(storage, "a/c", b"2")

    def test_one_of_several_that_fails_leaves_the_others(self, storage: Storage) -> None:
        storage.put_content("a/b/c", b"old")
        errors = storage.put_contents([("a/x", b"x"), ("a/b", b"a folder"), ("a/b/c/d", b"below"), ("a/y", b"y")])
        equal([isinstance(error, OSError) for error in errors], [False, True, True, False])
        equal(paths(storage), ["a/b/c", "a/x", "a/y"])

    def test_put_takes_any_buffer_and_keeps_its_bytes(self, storage: Storage) -> None:
        buffer = bytearray(b"0123456789")
        storage.put_content("a/array", buffer)
        storage.put_content("a/view", memoryview(buffer)[2:5])
        buffer[:] = b"overwriten"
        holds(storage, "a/array", b"0123456789")
        holds(storage, "a/view", b"234")

    def test_every_path_of_the_layout_holds_an_object(self, storage: Storage) -> None:
        objects = [path for path in layout_paths(storage) if not path.endswith(("/", "/repository", "_manifests"))]
        for path in objects:
            storage.put_content(path, path.encode())
        for path in objects:
            holds(storage, path, path.encode())
        equal(paths(storage), sorted(objects))

    def test_large_objects(self, storage: Storage) -> None:
        content = os.urandom(MIB) * 32 + b"ragged edge"
        storage.stream_write("large", io.BytesIO(content))
        equal(storage.get_size("large"), len(content))
        true(b"".join(storage.stream_read("large")) == content, "other bytes came back")
        equal(b"".join(storage.stream_read("large", (31 * MIB, 40 * MIB))), content[31 * MIB :])
        storage.put_content("large", content[::-1])
        true(storage.get_content("large") == content[::-1], "other bytes came back")

    def test_stream_write_reads_its_source_in_pieces_to_the_end(self, storage: Storage) -> None:
        source = Source(os.urandom(storage.buffer_size * 2 + 1))
        content = source.read()
        source = Source(content)
        storage.stream_write("a/b", source)  # type: ignore[arg-type]
        holds(storage, "a/b", content)
        equal(source.asked, {storage.buffer_size})

    def test_a_source_that_fails_leaves_nothing(self, storage: Storage) -> None:
        broke = _SourceBroke("at the end")
        try:
            storage.stream_write("a/b", _failing(broke, storage.buffer_size * 3))
        except _SourceBroke as error:
            true(error is broke, "another error was raised")
        else:
            raise AssertionError("the source's error was swallowed")
        absent(storage, "a/b")
        equal(paths(storage), [])

    def test_a_source_that_fails_leaves_the_old_object(self, storage: Storage) -> None:
        storage.put_content("a/b", b"old")
        with raises(_SourceBroke):
            storage.stream_write("a/b", _failing(_SourceBroke("at the end"), 10))
        holds(storage, "a/b", b"old")
        equal(paths(storage), ["a/b"])

    def test_a_source_that_would_block_is_not_at_its_end(self, storage: Storage) -> None:
        class Blocking(io.RawIOBase):
            def read(self, size: int = -1) -> None:
                return None

        with raises(BlockingIOError):
            storage.stream_write("a/b", Blocking())  # type: ignore[arg-type]
        absent(storage, "a/b")

    def test_an_unfinished_stream_is_not_seen(self, storage: Storage) -> None:
        def look() -> None:
            equal(paths(storage), ["a/old"])
            equal(list(storage.list_directory("a")), ["a/old"])
            equal(list(storage.list_directory()), ["a"])
            true(not storage.exists("a/new"), "it exists before it is complete")

        storage.put_content("a/old", b"old")
        storage.stream_write("a/new", Source(os.urandom(MIB), look))  # type: ignore[arg-type]
        equal(paths(storage), ["a/new", "a/old"])

    def test_a_file_object_reads_and_closes(self, storage: Storage) -> None:
        content = os.urandom(300_000)
        storage.put_content("a/b", content)
        with storage.stream_read_file("a/b") as file:
            equal(file.read(10), content[:10])
            equal(file.read(), content[10:])
            equal(file.read(1), b"")
        true(file.closed, "it is open")
        with raises(FileNotFoundError, "stream_read_file"):
            storage.stream_read_file("a/missing")

    def test_a_file_object_serves_tarfile(self, storage: Storage) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            member = tarfile.TarInfo("etc/hostname")
            member.size = 4
            tar.addfile(member, io.BytesIO(b"ship"))
        storage.put_content("a/layer", archive.getvalue())
        with storage.stream_read_file("a/layer") as file, tarfile.open(fileobj=file, mode="r|gz") as tar:
            equal([member.name for member in tar], ["etc/hostname"])

    def test_move(self, storage: Storage) -> None:
        storage.put_content("a/b/source", b"content")
        storage.move("a/b/source", "c/target")
        holds(storage, "c/target", b"content")
        for path in ("a/b/source", "a/b"):
            absent(storage, path)

    def test_move_replaces(self, storage: Storage) -> None:
        storage.put_content("a/source", b"new")
        storage.put_content("a/target", b"the old one")
        storage.move("a/source", "a/target")
        holds(storage, "a/target", b"new")
        equal(paths(storage), ["a/target"])

    def test_move_to_itself_changes_nothing(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        storage.move("a/b", "a/b")
        holds(storage, "a/b", b"content")

    def test_copy_is_independent(self, storage: Storage) -> None:
        content = os.urandom(MIB + 3)
        storage.put_content("a/source", content)
        storage.copy("a/source", "b/c/target")
        storage.put_content("a/source", b"changed")
        holds(storage, "b/c/target", content)
        storage.copy("a/source", "b/c/target")
        holds(storage, "b/c/target", b"changed")
        storage.remove("a/source")
        holds(storage, "b/c/target", b"changed")

    def test_copy_and_link_to_itself_change_nothing(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        storage.copy("a/b", "a/b")
        storage.link("a/b", "a/b")
        holds(storage, "a/b", b"content")
        equal(paths(storage), ["a/b"])

    def test_link_outlives_its_source(self, storage: Storage) -> None:
        storage.put_content("a/source", b"content")
        storage.link("a/source", "b/c/target")
        storage.put_content("a/source", b"changed")
        holds(storage, "b/c/target", b"content")
        storage.remove("a/source")
        holds(storage, "b/c/target", b"content")

    def test_link_replaces(self, storage: Storage) -> None:
        storage.put_content("a/source", b"content")
        storage.put_content("a/target", b"the old one")
        for _ in range(3):
            storage.link("a/source", "a/target")
            holds(storage, "a/target", b"content")
        equal(paths(storage), ["a/source", "a/target"])

    def test_a_missing_source_leaves_the_target(self, storage: Storage) -> None:
        storage.put_content("a/target", b"old")
        for method in (storage.move, storage.copy, storage.link):
            for source in ("a/missing", "missing/too", "a/target/below"):
                with raises(FileNotFoundError, method.__name__):
                    method(source, "a/target")
        holds(storage, "a/target", b"old")

    def test_a_folder_is_no_object(self, storage: Storage) -> None:
        storage.put_content("a/b/c", b"content")
        with raises(FileNotFoundError, "get_content"):
            storage.get_content("a/b")
        with raises(FileNotFoundError, "get_size"):
            storage.get_size("a/b")
        with raises(FileNotFoundError, "stream_read"):
            next(storage.stream_read("a/b"))
        with raises(FileNotFoundError, "stream_read_file"):
            storage.stream_read_file("a/b")
        for method in (storage.copy, storage.link):
            with raises(FileNotFoundError, method.__name__):
                method("a/b", "d")
        true(storage.exists("a/b") and storage.exists("a/b/"), "the folder doesn't exist")

    def test_nothing_is_below_an_object(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        absent(storage, "a/b/c")
        with raises(FileNotFoundError, "remove"):
            storage.remove("a/b/c")
        with raises(FileNotFoundError, "stream_read"):
            next(storage.stream_read("a/b/c"))

    def test_nothing_is_written_over_a_folder_or_below_an_object(self, storage: Storage) -> None:
        storage.put_content("a/b/c", b"content")
        storage.put_content("source", b"source")
        for path in ("a/b", "a/b/c/d"):
            with raises(OSError, "put_content"):
                storage.put_content(path, b"new")
            with raises(OSError, "stream_write"):
                storage.stream_write(path, io.BytesIO(b"new"))
            with raises(OSError, "open_writer"):
                storage.open_writer(path)
            for method in (storage.move, storage.copy, storage.link):
                with raises(OSError, method.__name__):
                    method("source", path)
        equal(paths(storage), ["a/b/c", "source"])
        holds(storage, "a/b/c", b"content")
        holds(storage, "source", b"source")

    def test_a_soft_put_is_seen_at_once_and_can_be_synced(self, storage: Storage) -> None:
        for count in (1, 3, 30):
            objects = {f"a/{count}/{number}/object": os.urandom(number) for number in range(count)}
            for path, content in objects.items():
                storage.put_content(path, content, durable=False)
                holds(storage, path, content)
            storage.sync(objects)
            storage.sync(iter(objects))
            for path, content in objects.items():
                holds(storage, path, content)

    def test_sync_takes_what_is_missing_for_removed(self, storage: Storage) -> None:
        storage.put_content("a/b/c", b"content")
        storage.put_content("d", b"content")
        for path in ("a/b/c", "d"):
            storage.remove(path)
        storage.sync(["a/b/c", "d", "never/was/there", "a/b"])
        storage.sync([f"never/{number}" for number in range(30)])
        storage.sync([])

    def test_descriptors_are_as_declared(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        if not storage.capabilities.descriptors:
            with raises(NotImplementedError, "open_descriptor"):
                storage.open_descriptor("a/b")
            return
        descriptor = storage.open_descriptor("a/b")
        try:
            storage.remove("a/b")
            equal(os.pread(descriptor, 100, 3), b"tent")
        finally:
            os.close(descriptor)
        for path in ("a/b", "missing/too"):
            with raises(FileNotFoundError, "open_descriptor"):
                storage.open_descriptor(path)

    def test_free_space_is_as_declared(self, storage: Storage) -> None:
        space = storage.free_space()
        equal(space is not None, storage.capabilities.free_space)
        true(space is None or 0 <= space.free <= space.total, f"no space can be {space}")


def _failing(error: Exception, size: int) -> "io.BytesIO":
    def fail() -> None:
        raise error

    return Source(os.urandom(size), fail)  # type: ignore[return-value]
