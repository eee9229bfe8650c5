"""Cases of folders: listing, walking, removing."""

import time

from orlop.storage.base import Storage
from orlop.storage.contract.expect import absent, equal, holds, paths, raises, true

DAY = 86_400


class Folders:
    """What the contract promises of folders."""

    def test_the_root_is_listed(self, storage: Storage) -> None:
        with raises(FileNotFoundError, "an empty root"):
            next(storage.list_directory())
        storage.put_content("object", b"content")
        storage.put_content("folder/object", b"content")
        equal(sorted(storage.list_directory()), ["folder", "object"])
        equal(sorted(storage.list_directory(None)), ["folder", "object"])
        storage.remove("folder")
        storage.remove("object")
        with raises(FileNotFoundError, "an emptied root"):
            next(storage.list_directory())

    def test_a_folder_may_be_named_with_a_slash(self, storage: Storage) -> None:
        json = storage.image_json_path("namespace", "repository", "image")
        storage.put_content(json, b"{}")
        folder = storage.repository_namespace_path("namespace", "repository")
        equal(list(storage.list_directory(folder)), [f"{folder}image"])
        equal(paths(storage, folder), [json])
        true(storage.exists(folder), "the folder doesn't exist")
        storage.remove(folder)
        absent(storage, json)
        true(not storage.exists(folder), "the folder exists")

    def test_a_listing_of_many_is_complete(self, storage: Storage) -> None:
        wanted = [f"a/{number}" for number in range(1100)]
        for path in wanted:
            storage.put_content(path, b"", durable=False)
        equal(sorted(storage.list_directory("a")), sorted(wanted))
        equal(paths(storage, "a"), sorted(wanted))

    def test_an_object_and_a_folder_are_siblings(self, storage: Storage) -> None:
        for path in ("a/b", "a/b.1", "a/b-c/d", "a/bc"):
            storage.put_content(path, path.encode())
        equal(sorted(storage.list_directory("a")), ["a/b", "a/b-c", "a/b.1", "a/bc"])
        equal(paths(storage, "a/b-c"), ["a/b-c/d"])

    def test_walk_yields_every_object_with_its_size_and_time(self, storage: Storage) -> None:
        wanted = {"top": 3, "a/1": 0, "a/b/c/d/e": 70_000, "a/b/f": 1}
        for path, size in wanted.items():
            storage.put_content(path, bytes(size))
        entries = list(storage.walk())
        equal({entry.path: entry.size for entry in entries}, wanted)
        equal(len(entries), len(wanted))
        for entry in entries:
            true(abs(entry.modified - time.time()) < DAY, f"modified at {entry.modified}")

    def test_walk_stays_below_its_folder(self, storage: Storage) -> None:
        for path in ("a/b/1", "a/bc/2", "a/3", "ab/4"):
            storage.put_content(path, b"content")
        equal(paths(storage, "a"), ["a/3", "a/b/1", "a/bc/2"])
        equal(paths(storage, "a/b"), ["a/b/1"])

    def test_walk_yields_nothing_where_nothing_is(self, storage: Storage) -> None:
        equal(list(storage.walk()), [])
        storage.put_content("a/b", b"content")
        for folder in ("missing", "a/missing", "a/b", "a/b/c"):
            equal(list(storage.walk(folder)), [])

    def test_walk_goes_on_while_objects_go(self, storage: Storage) -> None:
        wanted = {f"a/{number % 5}/{number}" for number in range(50)}
        for path in wanted:
            storage.put_content(path, b"content", durable=False)
        met = set()
        for entry in storage.walk("a"):
            met.add(entry.path)
            storage.remove(entry.path)
        equal(met, wanted)
        equal(paths(storage), [])

    def test_a_listing_goes_on_while_objects_go(self, storage: Storage) -> None:
        wanted = {f"a/{number}" for number in range(50)}
        for path in wanted:
            storage.put_content(path, b"content", durable=False)
        met = set()
        for path in storage.list_directory("a"):
            met.add(path)
            storage.remove(path)
        equal(met, wanted)

    def test_remove_spares_the_neighbours(self, storage: Storage) -> None:
        for path in ("a/b/1", "a/b/c/2", "a/b2", "a/bc/3"):
            storage.put_content(path, path.encode())
        storage.remove("a/b")
        equal(paths(storage), ["a/b2", "a/bc/3"])
        storage.remove("a/bc/3")
        absent(storage, "a/bc")
        holds(storage, "a/b2", b"a/b2")

    def test_a_removed_folder_can_be_filled_anew(self, storage: Storage) -> None:
        for content in (b"one", b"two"):
            storage.put_content("a/b/c/d", content)
            holds(storage, "a/b/c/d", content)
            storage.remove("a")
            absent(storage, "a")
