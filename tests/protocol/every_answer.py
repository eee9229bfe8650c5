"""All that a registry says of its content: to be compared before and after something that must change none of it."""

from collections.abc import Iterable, Iterator

from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import absent_digest
from tests.protocol.model import Repository
from tests.servers import OrlopServer

ABSENT = absent_digest()


def answers(server: OrlopServer, everything: dict[str, Repository], tags: Iterable[str]) -> dict[str, object]:
    """Every answer about content by its request, but for what differs from one time to the next.

    `tags` are asked for in each repository, whether it has them or not.
    """
    with Client(address_of(server)) as client:
        return {
            f"{method} {target}": _told(client.request(method, target)) for method, target in _targets(everything, tags)
        }


def _targets(everything: dict[str, Repository], tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield "GET", "/v2/_catalog"
    yield "GET", "/v2/_catalog?n=3&last=e000002"
    for name, repository in everything.items():
        yield "GET", f"/v2/{name}/tags/list"
        yield "GET", f"/v2/{name}/tags/list?n=1"
        subjects = {held.subject for held in repository.manifests.values() if held.subject}
        for digest in sorted({ABSENT, *subjects, *repository.manifests}):
            yield "GET", f"/v2/{name}/referrers/{digest}"
        for reference in (*repository.manifests, *tags, *repository.tags, ABSENT):
            yield "GET", f"/v2/{name}/manifests/{reference}"
            yield "HEAD", f"/v2/{name}/manifests/{reference}"
        for digest in (*repository.named_blobs(), *repository.manifests, ABSENT):
            yield "GET", f"/v2/{name}/blobs/{digest}"
            yield "HEAD", f"/v2/{name}/blobs/{digest}"


def _told(answer: Answer) -> object:
    headers = [(name, value) for name, value in answer.headers if name not in ("Date", "X-Request-Id")]
    return answer.status, headers, answer.body
