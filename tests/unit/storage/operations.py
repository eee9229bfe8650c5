"""Operations on a local store whose system calls are looked at or broken into.

As a program: `operations.py ROOT NAME` does one of them on the store at ROOT, and says how it went.
"""

import io
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from orlop.storage.local import LocalStorage

OLD = b"old" * 1000
NEW = b"new" * 100_000

BEGIN = "/the operation begins"
END = "/the operation ends"


def _nothing(_: LocalStorage) -> None:
    pass


class Operation(NamedTuple):
    """`prepare` makes what is there before, another process then does `start`, and `act`, which is looked at."""

    prepare: Callable[[LocalStorage], object]
    act: Callable[[LocalStorage], object]
    outcomes: list[dict[str, bytes]]
    """What the store may hold afterwards, whatever interrupts `act`; the last is what it holds when all went well."""
    start: Callable[[LocalStorage], object] = _nothing


def _old(storage: LocalStorage) -> None:
    storage.put_content("a/b/target", OLD)


def _old_and_source(storage: LocalStorage) -> None:
    _old(storage)
    storage.put_content("c/d/source", NEW)


def _build(storage: LocalStorage) -> None:
    with storage.open_writer("uploads/1/data") as writer:
        writer.write(NEW)
        writer.sync()
        storage.move("uploads/1/data", "a/b/target")


def _two(storage: LocalStorage) -> None:
    _softly(storage, 2)


def _several(storage: LocalStorage) -> None:
    errors = storage.put_contents([("a/b/1", NEW), ("a/b/2", NEW), ("c/3", NEW)])
    for error in filter(None, errors):
        raise error


def _any_of_several() -> list[dict[str, bytes]]:
    """A batch is not atomic, only each of its objects is: every mixture, the finished one last."""
    return [
        {path: content for path, content in (("a/b/1", first), ("a/b/2", second), ("c/3", third)) if content}
        for first in (OLD, NEW)
        for second in (OLD, NEW)
        for third in (b"", NEW)
    ]


def _softly(storage: LocalStorage, count: int) -> None:
    for number in range(1, count + 1):
        storage.put_content(f"a/b/{number}", OLD, durable=False)


def _numbered(*numbers: int) -> dict[str, bytes]:
    return {f"a/b/{number}": OLD for number in numbers}


_IS_OLD = {"a/b/target": OLD}
_IS_NEW = {"a/b/target": NEW}
_WITH_SOURCE = {"c/d/source": NEW}

OPERATIONS = {
    "put": Operation(_nothing, lambda s: s.put_content("a/b/target", NEW), [{}, _IS_NEW]),
    "put over": Operation(_old, lambda s: s.put_content("a/b/target", NEW), [_IS_OLD, _IS_NEW]),
    "put softly": Operation(_old, lambda s: s.put_content("a/b/target", NEW, durable=False), [_IS_OLD, _IS_NEW]),
    "put several": Operation(_two, _several, _any_of_several()),
    "stream": Operation(_nothing, lambda s: s.stream_write("a/b/target", io.BytesIO(NEW)), [{}, _IS_NEW]),
    "stream over": Operation(_old, lambda s: s.stream_write("a/b/target", io.BytesIO(NEW)), [_IS_OLD, _IS_NEW]),
    "move": Operation(
        lambda s: s.put_content("c/d/source", NEW),
        lambda s: s.move("c/d/source", "a/b/target"),
        [_WITH_SOURCE, _IS_NEW],
    ),
    "move over": Operation(
        _old_and_source, lambda s: s.move("c/d/source", "a/b/target"), [_IS_OLD | _WITH_SOURCE, _IS_NEW]
    ),
    "copy over": Operation(
        _old_and_source,
        lambda s: s.copy("c/d/source", "a/b/target"),
        [_IS_OLD | _WITH_SOURCE, _IS_NEW | _WITH_SOURCE],
    ),
    "link over": Operation(
        _old_and_source,
        lambda s: s.link("c/d/source", "a/b/target"),
        [_IS_OLD | _WITH_SOURCE, _IS_NEW | _WITH_SOURCE],
    ),
    "build and move": Operation(
        _old, _build, [_IS_OLD, _IS_OLD | {"uploads/1/data": b""}, _IS_OLD | {"uploads/1/data": NEW}, _IS_NEW]
    ),
    "remove": Operation(_old, lambda s: s.remove("a/b/target"), [_IS_OLD, {}]),
    "remove folder": Operation(_two, lambda s: s.remove("a/b"), [_numbered(1, 2), {}]),
    "sync few": Operation(_nothing, lambda s: s.sync(["a/b/1", "a/b/2"]), [_numbered(1, 2)], start=_two),
    "sync many": Operation(
        _nothing, lambda s: s.sync(_numbered(*range(1, 31))), [_numbered(*range(1, 31))], lambda s: _softly(s, 30)
    ),
    "sync removed": Operation(_old, lambda s: s.sync(["a/b/target"]), [{}], lambda s: s.remove("a/b/target")),
    "put beside soft": Operation(
        _nothing, lambda s: s.put_content("a/b/2", OLD), [_numbered(1), _numbered(1, 2)], lambda s: _softly(s, 1)
    ),
}


def main(root: str, name: str) -> None:
    storage = LocalStorage(root)
    OPERATIONS[name].start(storage)
    os.access(BEGIN, os.F_OK)
    try:
        OPERATIONS[name].act(storage)
    except OSError as error:
        print(error.errno)
    os.access(END, os.F_OK)
    # Not closed: what the operation itself leaves behind is to be seen.
    print(sum(len(names) for _, _, names in os.walk(os.path.join(root, ".tmp"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
