"""Whether all images are known to `contents.db`, or are to be asked for anew: it may be thrown away at any time."""

import msgspec

from orlop.contents.index import Index
from orlop.database import jobs, progress
from orlop.database.connection import Connection
from orlop.database.engine import Database

NAME = "contents"
BATCH = 100
"""Images that are asked for at a time, so that a push in between waits for no more."""
FEW = 20
"""Jobs that may wait when the next images are asked for."""


class Backlog(msgspec.Struct):
    """How far they have been asked for: the document `contents`."""

    generation: str
    """Of the `contents.db` that they go into."""
    after: int = 0
    """The row of the last manifest that was."""


def check(database: Database, index: Index) -> bool:
    """Asks for all images where `contents.db` is another one than they were put into; whether it did."""
    index.reader()  # which notices another file
    generation = index.generation
    found = _read(database.reader())
    if found is not None and found.generation == generation:
        return False

    def unit(connection: Connection) -> None:
        progress.save(connection, NAME, Backlog(generation))
        if jobs.page_of_images(connection, 0, 1):
            jobs.enqueue(connection, "index-all", "")

    database.write(unit)
    return True


def forget(connection: Connection) -> None:
    """Has all images asked for at the next check: there may be some that nobody has asked for."""
    progress.drop(connection, NAME)


def forget_where_off(database: Database) -> None:
    """Of a registry that asks for nothing: whoever turns that on again finds what was pushed meanwhile."""
    if progress.read(database.reader(), NAME) is not None:
        database.write(forget)


def advance(connection: Connection) -> bool | None:
    """Asks for the next images. True: there may be more; False: that was all; None: enough of them wait."""
    found = _read(connection)
    if found is None:
        return False
    if jobs.counts(connection).waiting > FEW:
        return None
    page = jobs.page_of_images(connection, found.after, BATCH)
    for _, repository, digest in page:
        jobs.enqueue(connection, "image", f"{repository} {digest}")
    if page:
        progress.save(connection, NAME, Backlog(found.generation, page[-1][0]))
    return len(page) == BATCH


def reached(connection: Connection) -> int:
    """The row of the last manifest whose image was asked for."""
    found = _read(connection)
    return found.after if found is not None else 0


def _read(connection: Connection) -> Backlog | None:
    document = progress.read(connection, NAME)
    try:
        return msgspec.json.decode(document, type=Backlog) if document is not None else None
    except msgspec.DecodeError:
        return None
