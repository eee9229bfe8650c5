"""`/api/v1/me`."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.auth.grants import Grants
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of


class Token(msgspec.Struct):
    """The token that the caller has signed in by."""

    id: str
    scopes: Annotated[
        list[str], Meta(description="What it is good for, as `PATTERN:ACTIONS`; empty: all that the account may do")
    ]


class Me(msgspec.Struct):
    """Who is asking, and by what."""

    account: Annotated[str | None, Meta(description="Null: nobody, or a registry without accounts")]
    admin: Annotated[bool, Meta(description="Whether the caller may do everything")]
    groups: list[str]
    mode: Annotated[str, Meta(description="`open` or `accounts`")]
    token: Token | None
    expires_at: Annotated[datetime | None, Meta(description="When these credentials are looked at anew at the latest")]


async def get(call: Call) -> Answer:
    authority = call.caller.authority
    mode = call.edge.app.settings.access.mode
    if not isinstance(authority, Grants):
        return call.answer(Me(None, authority.admin, [], mode, None, None))
    subject = authority.subject
    token = Token(authority.token_id, [str(scope) for scope in authority.scopes]) if authority.token_id else None
    until = time_of(int(authority.expires_at * 1000)) if subject.signed_in else None
    return call.answer(Me(subject.name or None, authority.admin, sorted(subject.groups), mode, token, until))
