"""The registry as the tests themselves ask it: plain requests by Python's own HTTP client."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass(frozen=True)
class Registry:
    host_port: str

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(self.host_port, timeout=60)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()

    def manifest(self, repository: str, reference: str) -> Answer:
        """The manifest and its headers; it must be there."""
        answer = self.ask("GET", f"/v2/{repository}/manifests/{reference}", {"Accept": ", ".join(MANIFEST_TYPES)})
        assert answer.status == 200, f"{repository} {reference}: {answer}"
        return answer

    def blob(self, repository: str, digest: str) -> bytes:
        """The blob's bytes; it must be there."""
        answer = self.ask("GET", f"/v2/{repository}/blobs/{digest}")
        assert answer.status == 200, f"{repository} {digest}: {answer.status} {answer.body[:500]!r}"
        return answer.body

    def tags(self, repository: str) -> list[str]:
        tags: list[str] = self.ask("GET", f"/v2/{repository}/tags/list").json["tags"]
        return tags
