"""Lists that go on: the Link header and where it leads."""

import re
from collections.abc import Iterator

from tests.protocol.answer import Answer
from tests.protocol.client import Client

LINK = re.compile(r'<(/v2/[^>\s]*)>; rel="next"')


def next_target(answer: Answer) -> str | None:
    """Where the next page is, None on the last one. RFC 8288 (5988 before): `<target>; rel="next"`."""
    if not answer.every("Link"):
        return None
    match = LINK.fullmatch(answer.header("Link"))
    assert match is not None, answer
    return match[1]


def pages(client: Client, target: str) -> Iterator[Answer]:
    """All pages from the first one on."""
    seen = set()
    following: str | None = target
    while following is not None:
        assert following not in seen, f"{following} comes again"
        seen.add(following)
        answer = client.get(following)
        assert answer.status == 200, answer
        yield answer
        following = next_target(answer)
