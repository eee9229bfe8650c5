"""What a registry holds, in dictionaries: how it must answer to whatever was done before."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.protocol.content import DOCKER_LIST, OCI_INDEX

Descriptor = dict[str, Any]


class Held(NamedTuple):
    """A manifest in a repository."""

    content: bytes
    media_type: str
    document: dict[str, Any]

    @property
    def artifact_type(self) -> str:
        own: str = self.document.get("artifactType", "")
        config: str = self.document.get("config", {}).get("mediaType", "")
        return own or config

    @property
    def subject(self) -> str:
        subject: str = self.document.get("subject", {}).get("digest", "")
        return subject

    @property
    def is_index(self) -> bool:
        return self.media_type in (OCI_INDEX, DOCKER_LIST)

    def blobs(self) -> list[str]:
        config = [self.document["config"]] if "config" in self.document else []
        return [part["digest"] for part in (*config, *self.document.get("layers", []))]

    def children(self) -> list[str]:
        return [child["digest"] for child in self.document.get("manifests", [])]


@dataclass
class Repository:
    """`blobs` by digest with their sizes."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Held] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def missing(self, pushed: Held) -> list[str]:
        """What the repository would need to take the manifest."""
        absent = [digest for digest in pushed.blobs() if digest not in self.blobs]
        return absent + [digest for digest in pushed.children() if digest not in self.manifests]

    def needs(self, digest: str) -> bool:
        """Whether a manifest here references the blob or manifest."""
        return any(digest in (*held.blobs(), *held.children()) for held in self.manifests.values())

    def named_blobs(self) -> list[str]:
        """The blobs that a manifest here references: a rebuild brings back these."""
        return sorted({digest for held in self.manifests.values() for digest in held.blobs()})

    def delete_manifest(self, digest: str) -> None:
        del self.manifests[digest]
        self.tags = {tag: named for tag, named in self.tags.items() if named != digest}

    def referrers(self, subject: str, artifact_type: str = "") -> list[Descriptor]:
        """What names the subject, and what the fallback tag lists, in the order of digests."""
        found: dict[str, Descriptor] = {}
        fallback = self.manifests.get(self.tags.get(subject.replace(":", "-")[:128], ""))
        if fallback is not None and fallback.is_index:
            found = {
                item["digest"]: item for item in fallback.document["manifests"] if item["digest"] in self.manifests
            }
        found |= {digest: describe(digest, held) for digest, held in self.manifests.items() if held.subject == subject}
        return [
            found[digest] for digest in sorted(found) if artifact_type in ("", found[digest].get("artifactType", ""))
        ]


def describe(digest: str, held: Held) -> Descriptor:
    """A manifest as the referrers API tells it."""
    descriptor = {"mediaType": held.media_type, "digest": digest, "size": len(held.content)}
    if held.artifact_type:
        descriptor["artifactType"] = held.artifact_type
    if annotations := held.document.get("annotations"):
        descriptor["annotations"] = annotations
    return descriptor
