"""A cache of immutable content by digest. It never answers whether something exists or may be read."""

import threading
from collections import OrderedDict


class ContentCache:
    """Keeps the bytes that were used last, up to a number of bytes. Safe to use from any thread."""

    def __init__(self, capacity: int, largest: int) -> None:
        """`capacity` bytes in all, `largest` bytes in one entry."""
        self.largest = largest
        self._capacity = capacity
        self._size = 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> bytes | None:
        with self._lock:
            content = self._entries.get(digest)
            if content is not None:
                self._entries.move_to_end(digest)
            return content

    def put(self, digest: str, content: bytes) -> None:
        if len(content) > self.largest:
            return
        with self._lock:
            old = self._entries.pop(digest, None)
            self._entries[digest] = content
            self._size += len(content) - (len(old) if old is not None else 0)
            while self._size > self._capacity:
                self._size -= len(self._entries.popitem(last=False)[1])
