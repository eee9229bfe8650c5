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
from orlop.web.api.queries import dry_run, list_query


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


class RepositoryRemoval(msgspec.Struct):
    """What deleting a repository did, or would do. Sizes in bytes."""

    repository: str
    dry_run: Annotated[bool, Meta(description="Whether nothing was changed")]
    tags: int
    manifests: int
    blobs: Annotated[int, Meta(description="Configs, layers and the like that it held, shared ones among them")]
    freed_blobs: Annotated[
        int,
        Meta(
            description="Blobs and manifests that no other repository needs: collection frees them, after their leases"
        ),
    ]
    freed: Annotated[int, Meta(description="Their bytes")]


async def get(call: Call) -> Answer:
    return call.answer(_repository(call, await call.edge.call(call.edge.app.repositories.find, call.caller, call.name)))


async def delete(call: Call) -> Answer:
    """Deletes a repository with all its tags and manifests."""
    dry = dry_run(call.target)
    held = await call.edge.call(lambda: call.edge.app.repositories.delete(call.caller, call.name, dry_run=dry))
    return call.done(
        RepositoryRemoval(call.name, dry, held.tags, held.manifests, held.blobs, held.freed_blobs, held.freed)
    )


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
