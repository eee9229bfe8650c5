"""Content for the tests' databases."""

from typing import Any

from orlop.database import blobs, manifests, repositories, tags
from orlop.database.connection import Connection
from orlop.database.manifests import Reference
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName

CALLER = Caller(account="ann", address="192.0.2.1", request_id="test")
NAME = RepositoryName.parse("team/app")
OTHER = RepositoryName.parse("other")
IMAGE = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MINUTE = 60_000


def digest(text: str) -> Digest:
    return Digest.of(text.encode())


def add_blob(connection: Connection, name: RepositoryName, text: str) -> Digest:
    """A live blob of that text, in the repository."""
    repository_id = repositories.ensure(connection, name)
    assert blobs.record_live(connection, digest(text), len(text), 0)
    blobs.link(connection, repository_id, digest(text))
    return digest(text)


def add_manifest(
    connection: Connection,
    name: RepositoryName,
    text: str,
    *references: Digest,
    tag: str | None = None,
    kind: str = "layer",
    **more: Any,
) -> int:
    """A manifest with the digest of `text`, and a tag on it. Its row id."""
    repository_id = repositories.ensure(connection, name)
    listed = [Reference(kind, reference, 10, LAYER) for reference in references]
    manifest_id = manifests.add(connection, repository_id, {**values(text), **more}, listed)
    assert manifest_id is not None
    if tag is not None:
        tags.point(connection, CALLER, repository_id, tag, manifest_id, digest(text))
    return manifest_id


def values(text: str) -> dict[str, Any]:
    """What is recorded of a manifest."""
    return {
        "digest": digest(text),
        "media_type": IMAGE,
        "size": len(text),
        "content_size": 10,
        "artifact_type": "",
        "config_media_type": "",
        "subject": None,
        "annotations": "{}",
        "platforms": "[]",
        "pushed_at": 1_000,
        "pushed_by": CALLER.account,
        "pushed_from": CALLER.address,
    }
