"""`/api/v1/repositories/<name>/-/tags`."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.database.tags import Change as Entry
from orlop.domain.access import in_order
from orlop.domain.manifest import IMAGE_CONFIGS
from orlop.domain.name import Tag as TagName
from orlop.registry.tags import SORTS, Listed
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of, time_or_none
from orlop.web.api.queries import dry_run, list_query


class Tag(msgspec.Struct):
    """A tag with what is recorded of it and of its manifest. An account or address is null where none is known."""

    name: str
    digest: str
    media_type: str
    artifact_type: Annotated[str | None, Meta(description="Null for images")]
    platforms: Annotated[list[str], Meta(description="As `os/architecture[/variant]`")]
    size: Annotated[
        int, Meta(description="Bytes of the manifest and of what it names; for an index also of what its children name")
    ]
    pushed_at: Annotated[datetime, Meta(description="When the repository took in the manifest")]
    pushed_by: str | None
    pushed_from: str | None
    updated_at: Annotated[datetime, Meta(description="When the tag was last pushed")]
    updated_by: str | None
    updated_from: str | None
    last_pulled_at: Annotated[
        datetime | None, Meta(description="When the manifest was last pulled by this tag, to the hour; null: never")
    ]
    siblings: Annotated[list[str], Meta(description="Other tags on the same manifest: the first hundred")]
    sibling_count: Annotated[int, Meta(description="How many other tags are on the same manifest")]


class TagList(msgspec.Struct):
    """A page of tags."""

    items: list[Tag]
    next: Annotated[str | None, Meta(description="The address of the next page")]
    total: Annotated[int, Meta(description="How many there are in all pages")]
    actions: Annotated[
        list[str], Meta(description="What the caller may do with the repository: of `pull`, `push` and `delete`")
    ]


class Change(msgspec.Struct):
    """A change of a tag."""

    at: datetime
    digest: Annotated[str | None, Meta(description="What the tag named then; null: it was deleted")]
    previous: Annotated[str | None, Meta(description="What it named before; null: there was no such tag")]
    account: str | None
    address: str | None


class TagDetail(Tag):
    """A tag with its history."""

    history: Annotated[list[Change], Meta(description="The newest hundred changes, the latest first")]


class TagRemoval(msgspec.Struct):
    """What deleting a tag did, or would do."""

    repository: str
    tag: str
    dry_run: Annotated[bool, Meta(description="Whether nothing was changed")]
    digest: Annotated[str, Meta(description="What the tag named")]
    manifest_stays: Annotated[bool, Meta(description="Always true: the manifest can still be pulled by its digest")]
    siblings: Annotated[list[str], Meta(description="Other tags on the manifest, which stay: the first hundred")]
    sibling_count: int
    freed_blobs: Annotated[
        int,
        Meta(
            description="Blobs and manifests that nothing but this tag keeps: they are freed once its manifest is"
            " deleted or collected, too, and not before"
        ),
    ]
    freed: Annotated[int, Meta(description="Their bytes")]


async def listing(call: Call) -> Answer:
    query = list_query(call.target, SORTS)
    page = await call.edge.call(
        lambda: call.edge.app.tags.page(
            call.caller, call.name, text=query.text, order=query.order, last=query.last, count=query.size
        )
    )
    following = query.following(f"/api/v1/repositories/{call.name}/-/tags", page.following)
    actions = in_order(call.caller.authority.actions(call.name))
    return call.answer(TagList([_tag(listed) for listed in page.items], following, page.total, actions))


async def get(call: Call) -> Answer:
    found = await call.edge.call(call.edge.app.tags.find, call.caller, call.name, TagName.parse(call.item))
    history = [_change(entry) for entry in found.history]
    return call.answer(TagDetail(**msgspec.structs.asdict(_tag(found.listed)), history=history))


async def delete(call: Call) -> Answer:
    """Deletes one tag, never its manifest, never other tags on it."""
    tag, dry = TagName.parse(call.item), dry_run(call.target)
    gone = await call.edge.call(
        lambda: call.edge.app.manifests.delete_tag(call.caller, call.name, tag, dry_run=dry, count=True)
    )
    return call.done(
        TagRemoval(
            repository=call.name,
            tag=tag,
            dry_run=dry,
            digest=gone.found.digest,
            manifest_stays=True,
            siblings=gone.siblings,
            sibling_count=gone.sibling_count,
            freed_blobs=gone.freed.blobs,
            freed=gone.freed.size,
        )
    )


def artifact_type_of(text: str) -> str | None:
    """An image is no artifact, though the referrers API gives its config's media type as its artifact type."""
    return None if not text or text in IMAGE_CONFIGS else text


def _tag(listed: Listed) -> Tag:
    record = listed.record
    return Tag(
        name=record.name,
        digest=record.digest,
        media_type=record.media_type,
        artifact_type=artifact_type_of(record.artifact_type),
        platforms=msgspec.json.decode(record.platforms, type=list[str]),
        size=record.size,
        pushed_at=time_of(record.pushed_at),
        pushed_by=record.pushed_by or None,
        pushed_from=record.pushed_from or None,
        updated_at=time_of(record.updated_at),
        updated_by=record.updated_by or None,
        updated_from=record.updated_from or None,
        last_pulled_at=time_or_none(record.last_pulled_at),
        siblings=listed.siblings,
        sibling_count=listed.sibling_count,
    )


def _change(entry: Entry) -> Change:
    return Change(
        at=time_of(entry.at),
        digest=entry.digest,
        previous=entry.previous,
        account=entry.account or None,
        address=entry.address or None,
    )
