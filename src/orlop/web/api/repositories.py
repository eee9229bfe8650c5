"""`/api/v1/repositories`."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.database.repositories import Summary
from orlop.domain.access import in_order
from orlop.registry.repositories import SORTS
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of, time_or_none
from orlop.web.api.queries import list_query


class Repository(msgspec.Struct):
    """What a repository holds."""

    name: str
    tags: int
    manifests: int
    size: Annotated[int, Meta(description="Bytes of its manifests and of the blobs that they name, each counted once")]
    pushed_at: Annotated[datetime, Meta(description="When it last took in a manifest that it did not hold")]
    last_pulled_at: Annotated[
        datetime | None, Meta(description="When a manifest was last pulled, to the hour; null: never")
    ]
    actions: Annotated[list[str], Meta(description="What the caller may do: of `pull`, `push` and `delete`")]


class RepositoryList(msgspec.Struct):
    """A page of repositories."""

    items: list[Repository]
    next: Annotated[str | None, Meta(description="The address of the next page")]
    total: Annotated[
        int, Meta(description="How many there are in all pages; with very many repositories, some seconds old")
    ]


async def listing(call: Call) -> Answer:
    query = list_query(call.target, SORTS)
    page = await call.edge.call(
        lambda: call.edge.app.repositories.summaries(
            call.caller, text=query.text, order=query.order, last=query.last, count=query.size
        )
    )
    items = [_repository(call, summary) for summary in page.items]
    return call.answer(RepositoryList(items, query.following("/api/v1/repositories", page.following), page.total))


def _repository(call: Call, summary: Summary) -> Repository:
    return Repository(
        name=summary.name,
        tags=summary.tags,
        manifests=summary.manifests,
        size=summary.size,
        pushed_at=time_of(summary.pushed_at),
        last_pulled_at=time_or_none(summary.last_pulled_at),
        actions=in_order(call.caller.authority.actions(summary.name)),
    )
