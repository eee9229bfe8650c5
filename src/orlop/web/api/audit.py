"""`/api/v1/audit`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from orlop.database.audit import Entry, Filter, is_action
from orlop.database.pages import LARGEST
from orlop.domain.errors import ParameterInvalid
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of
from orlop.web.api.queries import SIZE, Parameter, page_size
from orlop.web.targets import Target

_NUMBER = re.compile(r"[0-9]{1,18}")

PARAMETERS = (
    SIZE,
    Parameter("last", "Where the page before ended; take it from `next`.", {"type": "string", "maxLength": 20}),
    Parameter("account", "Only what this account did.", {"type": "string", "maxLength": 255}),
    Parameter("repository", "Only what was done to this repository.", {"type": "string", "maxLength": 255}),
    Parameter(
        "action",
        "Only this action, or this group of them: `manifest.push`, `manifest`.",
        {"type": "string", "maxLength": 60},
    ),
    Parameter("since", "Only what happened from then on, as RFC 3339.", {"type": "string", "format": "date-time"}),
)


class AuditEntry(msgspec.Struct):
    """Something that was changed or refused. Texts are empty where there is nothing to say."""

    id: int
    at: datetime
    account: str | None
    address: str | None
    request_id: str | None
    action: Annotated[str, Meta(description="What was done, such as `manifest.push`; `refused.…`: what was not")]
    repository: str | None
    object: Annotated[str | None, Meta(description="What it was done to: a tag, a digest, an account, a token")]
    detail: dict[str, Any]
    count: Annotated[int, Meta(description="How often; refusals of one account and address in a minute are one entry")]


class AuditList(msgspec.Struct):
    """A page of the audit log."""

    items: list[AuditEntry]
    next: Annotated[str | None, Meta(description="The address of the next page")]


async def listing(call: Call) -> Answer:
    target = call.target
    filter_ = Filter(
        _text(target, "account"), _text(target, "repository"), _action(target), _since(target.first("since"))
    )
    count, before = page_size(target), _before(target.first("last"))
    found = await call.edge.call(lambda: call.edge.app.audit.page(call.caller, filter_, before=before, count=count + 1))
    items = [_entry(entry) for entry in found[:count]]
    following = None
    if len(found) > count:
        kept = [pair for pair in target.query if pair[0] != "last"]
        following = f"/api/v1/audit?{urlencode([*kept, ('last', str(items[-1].id))])}"
    return call.answer(AuditList(items, following))


def _entry(entry: Entry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        at=time_of(entry.at),
        account=entry.account or None,
        address=entry.address or None,
        request_id=entry.request_id or None,
        action=entry.action,
        repository=entry.repository or None,
        object=entry.object or None,
        detail=msgspec.json.decode(entry.detail),
        count=entry.times,
    )


def _text(target: Target, name: str) -> str:
    text = target.first(name) or ""
    if len(text) > 255:
        raise ParameterInvalid(f"{name} is longer than 255 characters", detail={"parameter": name})
    return text


def _action(target: Target) -> str:
    text = _text(target, "action")
    if text and not is_action(text):
        raise ParameterInvalid("action must be a name such as manifest.push", detail={"parameter": "action"})
    return text


def _before(text: str | None) -> int:
    if text is None:
        return LARGEST
    if _NUMBER.fullmatch(text) is None:
        raise ParameterInvalid("last must come from `next`", detail={"parameter": "last"})
    return int(text)


def _since(text: str | None) -> int:
    if text is None:
        return 0
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a bare + means a space in a query
        return max(0, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        message = "since must be a time such as 2026-01-31T12:00:00Z"
        raise ParameterInvalid(message, detail={"parameter": "since"}) from error
