"""The rows of one table of an SQLite database (its file format, sections 1 to 2.6), of a file that is not trusted.

A reader of our own, because SQLite would run what a hostile schema has: views that never end, triggers, expressions in
indexes. Here no page is read twice and nothing runs. What is only in a write-ahead log is not seen.
"""

from collections.abc import Iterator

from orlop.contents.packages.package import Content

MAGIC = b"SQLite format 3\0"

_HEADER = 100
_INTERIOR, _LEAF = 5, 13
_SCHEMA_PAGE = 1


class DatabaseInvalid(ValueError):
    """It is damaged, or none."""


class Database:
    """`content` is the whole file."""

    def __init__(self, content: Content) -> None:
        if len(content) < _HEADER or content[: len(MAGIC)] != MAGIC:
            raise DatabaseInvalid("no SQLite database")
        self._content = memoryview(content)
        size = int.from_bytes(self._content[16:18])
        self._size = 65536 if size == 1 else size
        self._usable = self._size - content[20]
        if self._size < 512 or self._size & (self._size - 1) or self._usable < 480:
            raise DatabaseInvalid("impossible size of pages")
        self._left = len(content) // self._size + 1
        """Pages that may yet be read: fewer than there are would be none of a cycle."""

    def rows(self, table: str) -> Iterator[list[bytes | int | None]]:
        """The columns of each row; numbers with a fraction are None. DatabaseInvalid where the database is damaged."""
        name = table.encode()
        for row in self._rows(_SCHEMA_PAGE):
            if len(row) >= 4 and row[0] == b"table" and row[1] == name and isinstance(row[3], int):
                yield from self._rows(row[3])
                return

    def _rows(self, root: int) -> Iterator[list[bytes | int | None]]:
        pages = [root]
        while pages:
            number = pages.pop()
            page = self._page(number)
            start = _HEADER if number == _SCHEMA_PAGE else 0
            kind, cells = page[start], int.from_bytes(page[start + 3 : start + 5])
            pointers = start + (12 if kind == _INTERIOR else 8)
            places = [int.from_bytes(page[at : at + 2]) for at in range(pointers, pointers + 2 * cells, 2)]
            if kind == _INTERIOR:
                pages.append(int.from_bytes(page[start + 8 : start + 12]))
                pages += [int.from_bytes(page[at : at + 4]) for at in reversed(places)]
            elif kind == _LEAF:
                for at in places:
                    yield _columns(self._payload(page, at))
            else:
                raise DatabaseInvalid("a page is none of a table")

    def _page(self, number: int) -> memoryview:
        self._left -= 1
        page = self._content[(number - 1) * self._size : number * self._size] if number > 0 else self._content[:0]
        if len(page) < self._size or self._left < 0:
            raise DatabaseInvalid("a page is missing, or met twice")
        return page

    def _payload(self, page: memoryview, at: int) -> bytes:
        size, at = _varint(page, at)
        _, at = _varint(page, at)  # the row's number
        if size > len(self._content):
            raise DatabaseInvalid("a row is larger than the file")
        # What fits stays in the page; of more, as much that the rest fills whole pages (section 1.6).
        local = size
        if size > self._usable - 35:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (self._usable - 4)
            local = local if local <= self._usable - 35 else least
        payload = bytearray(page[at : at + local])
        following = int.from_bytes(page[at + local : at + local + 4]) if local < size else 0
        while len(payload) < size:
            page = self._page(following)
            following = int.from_bytes(page[:4])
            payload += page[4 : min(self._usable, 4 + size - len(payload))]
        return bytes(payload)


def _columns(record: bytes) -> list[bytes | int | None]:
    end, at = _varint(record, 0)
    body = end
    columns: list[bytes | int | None] = []
    while at < min(end, len(record)):
        kind, at = _varint(record, at)
        size = _size(kind)
        columns.append(_value(kind, record[body : body + size]))
        body += size
    return columns


def _size(kind: int) -> int:
    return (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]


def _value(kind: int, content: bytes) -> bytes | int | None:
    if kind >= 12:
        return content
    if kind in (8, 9):
        return kind - 8
    return int.from_bytes(content, signed=True) if 0 < kind < 7 else None


def _varint(content: bytes | memoryview, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for place in range(9):
        if at >= len(content):
            raise DatabaseInvalid("a number is cut short")
        byte = content[at]
        at += 1
        if place == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at
