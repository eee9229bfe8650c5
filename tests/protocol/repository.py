"""A repository of its own for one test, and what is often done to it."""

import itertools
import uuid
from typing import Any, NamedTuple

from tests.protocol.answer import Answer
from tests.protocol.client import Body, Client, Headers
from tests.protocol.content import (
    EMPTY_JSON,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_LAYER,
    descriptor,
    digest_of,
    encode,
    image,
    random_bytes,
)

_count = itertools.count(1)


class Pushed(NamedTuple):
    """A manifest that the registry holds."""

    digest: str
    content: bytes
    media_type: str
    document: dict[str, Any]

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content), **more}


class Repository:
    """`get`, `put` and so on return the answer, whatever it is; `push_…` demand success."""

    def __init__(self, client: Client, name: str = "") -> None:
        self.client = client
        self.name = name or f"test/{uuid.uuid4().hex[:12]}-{next(_count)}"
        self.base = f"/v2/{self.name}"

    def sibling(self) -> "Repository":
        return Repository(self.client)

    def request(
        self, method: str, path: str, headers: Headers = (), body: Body | None = None, *, chunked: bool = False
    ) -> Answer:
        """`path` below the repository's name, without a leading slash."""
        return self.client.request(method, f"{self.base}/{path}", headers, body, chunked=chunked)

    def get(self, path: str, headers: Headers = ()) -> Answer:
        return self.request("GET", path, headers)

    def head(self, path: str, headers: Headers = ()) -> Answer:
        return self.request("HEAD", path, headers)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def start(self, query: str = "") -> str:
        """Begins an upload: its Location."""
        answer = self.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"})
        assert answer.status == 202, answer
        return answer.header("Location")

    def patch(self, location: str, content: Body, headers: Headers = (), *, chunked: bool = False) -> Answer:
        return self.client.request("PATCH", location, headers, content, chunked=chunked)

    def finish(
        self, location: str, digest: str, content: Body = b"", headers: Headers = (), *, chunked: bool = False
    ) -> Answer:
        """The closing PUT."""
        return self.client.request("PUT", with_query(location, f"digest={digest}"), headers, content, chunked=chunked)

    def post_blob(self, content: bytes, digest: str = "", *, chunked: bool = False) -> Answer:
        """A whole blob in one POST."""
        path = f"blobs/uploads/?digest={digest or digest_of(content)}"
        return self.request("POST", path, {"Content-Type": "application/octet-stream"}, content, chunked=chunked)

    def push_blob(self, content: bytes, algorithm: str = "sha256") -> str:
        """Its digest."""
        digest = digest_of(content, algorithm)
        answer = self.finish(self.start(), digest, content)
        assert answer.status == 201, answer
        return digest

    def put_manifest(self, reference: str, content: Body, media_type: str = "", *, chunked: bool = False) -> Answer:
        headers = {"Content-Type": media_type} if media_type else {}
        return self.request("PUT", f"manifests/{reference}", headers, content, chunked=chunked)

    def push_manifest(self, document: dict[str, Any], reference: str = "", algorithm: str = "sha256") -> Pushed:
        """Pushes by digest, or under the tag `reference`."""
        content = encode(document)
        digest = digest_of(content, algorithm)
        media_type = document.get("mediaType", OCI_IMAGE)
        answer = self.put_manifest(reference or digest, content, media_type)
        assert answer.status == 201, answer
        assert answer.header("Docker-Content-Digest") == digest
        return Pushed(digest, content, media_type, document)

    def new_image(self, **more: Any) -> dict[str, Any]:
        """An image manifest like no other, whose blobs have been pushed."""
        layer = random_bytes(100)
        self.push_blob(EMPTY_JSON)
        self.push_blob(layer)
        return image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER)], **more)

    def push_image(self, reference: str = "", **more: Any) -> Pushed:
        return self.push_manifest(self.new_image(**more), reference)

    def tags(self, query: str = "") -> list[str]:
        answer = self.get(f"tags/list{query}")
        assert answer.status == 200, answer
        tags = answer.json()["tags"]
        assert isinstance(tags, list)
        return tags

    def referrers(self, digest: str, query: str = "") -> list[dict[str, Any]]:
        answer = self.get(f"referrers/{digest}{query}")
        assert answer.status == 200, answer
        manifests = answer.json()["manifests"]
        assert isinstance(manifests, list)
        return manifests


def with_query(location: str, query: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}{query}"
