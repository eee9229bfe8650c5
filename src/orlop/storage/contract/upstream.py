"""The cases that the seed's drivers had to pass: the twenty-eight of 2015, by their numbers, and the three of 2013."""

import io
import json
import os
from dataclasses import dataclass

from orlop.storage.base import Storage
from orlop.storage.contract.expect import absent, equal, holds, raises, true

MIB = 1 << 20


@dataclass(frozen=True)
class _Digest:
    algorithm: str
    hex: str


def _contents() -> list[bytes]:
    sharp_s = ("ß", "\u00df", "\N{LATIN SMALL LETTER SHARP S}")
    return [b"a", *(text.encode() for text in sharp_s), os.urandom(12).hex().encode(), os.urandom(MIB)]


class Upstream:
    """Cases of the seed's ancestors."""

    def test_01_a_missing_object_does_not_exist(self, storage: Storage) -> None:
        true(not storage.exists("a/missing"), "it exists")

    def test_02_an_empty_object_exists(self, storage: Storage) -> None:
        storage.put_content("a/empty", b"")
        holds(storage, "a/empty", b"")

    def test_03_to_08_what_was_put_is_read_twice(self, storage: Storage) -> None:
        for number, content in enumerate(_contents()):
            path = f"a/{number}"
            storage.put_content(path, content)
            equal(storage.get_content(path), content)
            equal(storage.get_content(path), content)
            equal(storage.get_size(path), len(content))

    def test_09_to_14_text_is_read_twice(self, storage: Storage) -> None:
        for number, text in enumerate(["a", "ß", "\u00df", "\N{LATIN SMALL LETTER SHARP S}", "x" * 40, "ß" * MIB]):
            path = f"a/{number}"
            storage.put_content(path, text.encode())
            equal(storage.get_content(path).decode(), text)
            equal(storage.get_content(path).decode(), text)

    def test_15_json_with_keys_beyond_ascii(self, storage: Storage) -> None:
        document = {"ß": {"\u00df": "\N{LATIN SMALL LETTER SHARP S}", "日": [1, None]}}
        storage.put_content("a/json", json.dumps(document).encode())
        equal(json.loads(storage.get_content("a/json")), document)

    def test_16_a_removed_object_is_gone(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        storage.remove("a/b")
        absent(storage, "a/b")

    def test_17_a_removed_folder_is_gone_with_its_objects(self, storage: Storage) -> None:
        storage.put_content("a/b/1", b"one")
        storage.put_content("a/b/2", b"two")
        equal(storage.get_content("a/b/1"), b"one")
        storage.remove("a/b")
        for path in ("a/b", "a/b/1", "a/b/2"):
            absent(storage, path)

    def test_18_what_is_missing_is_not_removed(self, storage: Storage) -> None:
        for path in ("missing", "a/missing", "a/b/missing/"):
            with raises(FileNotFoundError):
                storage.remove(path)

    def test_19_what_is_missing_has_no_content(self, storage: Storage) -> None:
        with raises(FileNotFoundError):
            storage.get_content("a/missing")

    def test_20_what_is_missing_has_no_size(self, storage: Storage) -> None:
        with raises(FileNotFoundError):
            storage.get_size("a/missing")

    def test_21_a_stream_and_its_range(self, storage: Storage) -> None:
        content = os.urandom(MIB + 7)
        absent(storage, "a/stream")
        storage.stream_write("a/stream", io.BytesIO(content))
        holds(storage, "a/stream", content)
        equal(b"".join(storage.stream_read("a/stream", (1000, 99_999))), content[1000:100_000])
        storage.remove("a/stream")
        absent(storage, "a/stream")

    def test_22_a_missing_stream_raises_when_it_is_iterated(self, storage: Storage) -> None:
        stream = storage.stream_read("a/missing")
        with raises(FileNotFoundError, "next()"):
            next(stream)

    def test_23_a_missing_folder_raises_when_it_is_iterated(self, storage: Storage) -> None:
        listing = storage.list_directory("a/missing")
        with raises(FileNotFoundError, "next()"):
            next(listing)

    def test_24_an_object_is_not_listed(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        with raises(FileNotFoundError, "next()"):
            next(storage.list_directory("a/b"))

    def test_25_a_folder_lists_its_objects(self, storage: Storage) -> None:
        storage.put_content("a/1", b"one")
        storage.put_content("a/2", b"two")
        equal(sorted(storage.list_directory("a")), ["a/1", "a/2"])

    def test_26_a_folder_lists_its_folders_not_what_is_in_them(self, storage: Storage) -> None:
        storage.put_content("a/b/1", b"one")
        storage.put_content("a/c/2", b"two")
        equal(sorted(storage.list_directory("a")), ["a/b", "a/c"])

    def test_27_an_emptied_folder_raises_when_it_is_iterated(self, storage: Storage) -> None:
        for path in ("a/b/1", "a/b/2"):
            storage.put_content(path, b"content")
        for path in ("a/b/1", "a/b/2"):
            storage.remove(path)
        for folder in ("a/b", "a"):
            with raises(FileNotFoundError, "next()"):
                next(storage.list_directory(folder))

    def test_28_all_paths_of_the_layout_are_absent_at_first(self, storage: Storage) -> None:
        for path in layout_paths(storage):
            true(not storage.exists(path), f"{path} exists")

    def test_2013_simple(self, storage: Storage) -> None:
        content = os.urandom(1024)
        absent(storage, "simple")
        storage.put_content("simple", content)
        holds(storage, "simple", content)
        storage.remove("simple")
        absent(storage, "simple")

    def test_2013_stream(self, storage: Storage) -> None:
        content = os.urandom(7 * MIB)
        storage.stream_write("stream", io.BytesIO(content))
        true(storage.exists("stream"), "it doesn't exist")
        equal(b"".join(storage.stream_read("stream")), content)
        storage.remove("stream")
        absent(storage, "stream")

    def test_2013_errors(self, storage: Storage) -> None:
        with raises(OSError, "get_content"):
            storage.get_content("missing")
        with raises(OSError, "list_directory"):
            next(storage.list_directory("missing"))
        with raises(OSError, "get_size"):
            storage.get_size("missing")


def layout_paths(storage: Storage) -> list[str]:
    """One path of each kind that the layout makes."""
    digest = _Digest("sha256", "0123456789abcdef" * 4)
    repository = ("namespace", "repository")
    image = (*repository, "0123456789abcdef" * 4)
    return [
        storage.store_path(),
        storage.images_list_path(*repository),
        storage.image_json_path(*image),
        storage.image_mark_path(*image),
        storage.image_checksum_path(*image),
        storage.image_layer_path(*image),
        storage.image_ancestry_path(*image),
        storage.image_file_trie_path(*image),
        storage.image_file_diffs_path(*image),
        storage.repository_namespace_path(*repository),
        storage.repository_path(*repository),
        storage.tag_path(*repository, "_tag"),
        storage.manifests_path(*repository),
        storage.manifest_entry_path(*repository, digest),
        storage.blob_path(digest),
        storage.blob_path(digest, 1),
        storage.upload_path("upload"),
        storage.layer_toc_path(digest),
        storage.chain_trie_path(digest.hex),
        storage.chain_diffs_path(digest.hex),
    ]
