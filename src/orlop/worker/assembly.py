"""The worker's parts, put together by hand."""

from collections.abc import Callable

from orlop.config import Settings
from orlop.contents.index import Index
from orlop.contents.limits import Limits
from orlop.database.engine import Database
from orlop.registry.content import Content
from orlop.storage.base import Storage
from orlop.worker.handlers import Handlers
from orlop.worker.loop import Loop
from orlop.worker.outcomes import Ended


def loop_of(
    settings: Settings,
    storage: Storage,
    database: Database,
    index: Index,
    tell: Callable[[Ended], None] = lambda ended: None,
    *,
    yielding: bool = True,
) -> Loop:
    """See `Loop`."""
    from orlop.contents.making import Making

    limits = Limits(
        seconds=settings.contents.timeout, cpu=int(settings.contents.timeout) + 1, unpacked=settings.contents.largest
    )
    making = Making(storage, database, index, Content(storage, database).read, limits, settings.storage.free_floor.of)
    return Loop(database, Handlers(database, making), tell, yielding=yielding)
