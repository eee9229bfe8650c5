"""Cases of reading an object in pieces, whole and by range."""

import os

from orlop.storage.base import Storage
from orlop.storage.contract.expect import equal, raises, true


class Ranges:
    """What the contract promises of `stream_read`."""

    def test_ranges_are_inclusive(self, storage: Storage) -> None:
        storage.put_content("a/b", b"0123456789")
        for first, last in ((0, 0), (0, 9), (3, 3), (3, 5), (9, 9), (1, 8)):
            equal(b"".join(storage.stream_read("a/b", (first, last))), b"0123456789"[first : last + 1])

    def test_ranges_end_where_the_object_ends(self, storage: Storage) -> None:
        storage.put_content("a/b", b"0123456789")
        equal(b"".join(storage.stream_read("a/b", (7, 10))), b"789")
        equal(b"".join(storage.stream_read("a/b", (7, 1 << 62))), b"789")
        for first in (10, 11, 1 << 40):
            equal(list(storage.stream_read("a/b", (first, first + 5))), [])

    def test_ranges_of_an_empty_object_are_empty(self, storage: Storage) -> None:
        storage.put_content("a/b", b"")
        equal(list(storage.stream_read("a/b")), [])
        equal(list(storage.stream_read("a/b", (0, 0))), [])

    def test_ranges_that_are_none_are_refused(self, storage: Storage) -> None:
        storage.put_content("a/b", b"0123456789")
        for bytes_range in ((-1, 3), (-5, -1), (3, 2), (0, -1)):
            with raises(ValueError, f"the range {bytes_range}"):
                list(storage.stream_read("a/b", bytes_range))

    def test_pieces_are_no_larger_than_the_buffer(self, storage: Storage) -> None:
        size = storage.buffer_size
        content = os.urandom(size * 2 + 11)
        storage.put_content("a/b", content)
        for bytes_range in (None, (0, size - 1), (0, size), (1, size), (size - 1, size), (5, 2 * size + 3)):
            pieces = list(storage.stream_read("a/b", bytes_range))
            first, last = bytes_range or (0, len(content))
            equal(b"".join(pieces), content[first : last + 1])
            true(all(0 < len(piece) <= size for piece in pieces), "a piece is empty or too large")

    def test_a_range_of_what_is_missing_raises_when_it_is_iterated(self, storage: Storage) -> None:
        stream = storage.stream_read("a/missing", (0, 3))
        with raises(FileNotFoundError, "next()"):
            next(stream)

    def test_a_stream_is_of_one_object(self, storage: Storage) -> None:
        content = bytes(storage.buffer_size * 3)
        for change in (lambda: storage.put_content("a/b", b"\1" * len(content)), lambda: storage.remove("a/b")):
            storage.put_content("a/b", content)
            stream = storage.stream_read("a/b")
            first = next(stream)
            change()
            equal(first + b"".join(stream), content)

    def test_a_stream_that_is_left_half_way_holds_nothing_up(self, storage: Storage) -> None:
        storage.put_content("a/b", bytes(storage.buffer_size * 3))
        stream = storage.stream_read("a/b")
        next(stream)
        del stream
        storage.remove("a/b")
        true(not storage.exists("a/b"), "it exists")
