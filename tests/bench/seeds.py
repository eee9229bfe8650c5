"""What lies in a registry before a load: pushed over HTTP, once for each server, and kept for all runs."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.bench.clients import Conversation, Tally, expect, location_of, task
from tests.bench.connection import Connection, Target, with_digest
from tests.bench.contents import LARGE, MANIFEST_TYPE, Blob, Source, config, layer, manifest
from tests.bench.processes import run_together

CLIENTS = 16
BLOB_SIZE = 2048
REPOSITORIES = [f"bench/app-{number}" for number in range(10)]
LARGE_REPOSITORY = "bench/large"
TAGS_REPOSITORY = "bench/tags"
TAGS = 10_000
CATALOG = 2_000
LEASED_REPOSITORY = "bench/leased"
LEASED = 10_000
LEASED_PER_MANIFEST = 1_000
LEASE_SECONDS = 1

Push = Callable[[Target, Source | None], None]


@dataclass(frozen=True)
class Seed:
    """A named content of a data folder, how it gets there, and Orlop's settings whenever it runs on it."""

    name: str
    push: Push
    needs_source: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def push_blob(target: Target, repository: str, blob: Blob) -> Conversation:
    """POST, then PUT with the body."""
    head = yield target.request("POST", f"/v2/{repository}/blobs/uploads/")
    expect(head, b"202")
    location = location_of(head)
    headers = {"Content-Type": "application/octet-stream"}
    head = yield target.request("PUT", with_digest(location, blob.digest), headers, blob.content)
    expect(head, b"201")


def push_manifest(target: Target, repository: str, reference: str, body: Blob) -> Conversation:
    """PUT of a manifest under a tag or digest."""
    headers = {"Content-Type": MANIFEST_TYPE}
    head = yield target.request("PUT", f"/v2/{repository}/manifests/{reference}", headers, body.content)
    expect(head, b"201")


@dataclass(frozen=True)
class Image:
    """One image of the `images` seed: a manifest with its blobs, tagged in its repository."""

    repository: str
    tag: str
    blobs: tuple[Blob, ...]
    manifest: Blob


@cache
def images() -> tuple[Image, ...]:
    """A hundred images in ten repositories, with two layers of 2 KiB each."""
    return tuple(_image(repository, number) for repository in REPOSITORIES for number in range(10))


def _image(repository: str, number: int) -> Image:
    name = f"{repository}:{number}"
    layers = [layer(f"{name}/{part}", BLOB_SIZE) for part in range(2)]
    configuration = config(name)
    return Image(repository, f"v{number}", (configuration, *layers), manifest(configuration, layers, name))


def _push_image(target: Target, image: Image) -> Conversation:
    for blob in image.blobs:
        yield from push_blob(target, image.repository, blob)
    yield from push_manifest(target, image.repository, image.tag, image.manifest)


def _push_images(target: Target, _: Source | None) -> None:
    _converse(target, [_push_image(target, image) for image in images()])


def _push_large(target: Target, source: Source | None) -> None:
    assert source is not None
    with Connection(target) as connection, source.path.open("rb") as file:
        answer, _ = connection.ask(202, "POST", f"/v2/{LARGE_REPOSITORY}/blobs/uploads/")
        path = with_digest(answer.location, source.large_digest)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(LARGE)}
        connection.socket.sendall(target.head("PUT", path, headers))
        connection.socket.sendfile(file)
        connection.read_rest(connection.read_head(201, f"PUT {path}"))


def _push_tags(target: Target, _: Source | None) -> None:
    image = images()[0]
    _converse(target, [_push_blobs(target, TAGS_REPOSITORY, image.blobs)])
    tags = [f"v{number}" for number in range(TAGS)]
    _converse(target, [_push_tag(target, tag, image.manifest) for tag in tags])


def _push_blobs(target: Target, repository: str, blobs: Iterable[Blob]) -> Conversation:
    for blob in blobs:
        yield from push_blob(target, repository, blob)


def _push_tag(target: Target, tag: str, body: Blob) -> Conversation:
    yield from push_manifest(target, TAGS_REPOSITORY, tag, body)


def catalog() -> list[str]:
    """The names of the `catalog` seed, sorted."""
    return [f"bench/repository-{number:04}" for number in range(CATALOG)]


def _push_catalog(target: Target, _: Source | None) -> None:
    configuration = config("catalog")
    body = manifest(configuration, [], "catalog")
    _converse(target, [_push_repository(target, name, configuration, body) for name in catalog()])


def _push_repository(target: Target, name: str, configuration: Blob, body: Blob) -> Conversation:
    yield from push_blob(target, name, configuration)
    yield from push_manifest(target, name, "latest", body)


@cache
def leased() -> tuple[Blob, ...]:
    """Ten thousand small blobs, so many that a round of HEADs over them takes longer than a short lease."""
    return tuple(layer(f"leased {number}", 64) for number in range(LEASED))


def _push_leased(target: Target, _: Source | None) -> None:
    configuration = config("leased")
    _converse(target, [push_blob(target, LEASED_REPOSITORY, blob) for blob in (configuration, *leased())])
    groups = [leased()[start : start + LEASED_PER_MANIFEST] for start in range(0, LEASED, LEASED_PER_MANIFEST)]
    bodies = [manifest(configuration, group, f"leased {number}") for number, group in enumerate(groups)]
    pushes = [push_manifest(target, LEASED_REPOSITORY, f"v{number}", body) for number, body in enumerate(bodies)]
    _converse(target, pushes)


def push_blobs(target: Target, repository: str, blobs: Iterable[Blob]) -> None:
    """Push all of them, one after another."""
    _converse(target, [_push_blobs(target, repository, blobs)])


def _converse(target: Target, conversations: Sequence[Conversation]) -> None:
    """Hold all of them, a few at a time."""

    def talk(_: Tally) -> Sequence[Conversation]:
        return [_chain(iter(conversations[start::CLIENTS])) for start in range(min(CLIENTS, len(conversations)))]

    run_together([task(target, talk, None)])
    os.sync()


def _chain(conversations: Iterator[Conversation]) -> Conversation:
    for conversation in conversations:
        yield from conversation


IMAGES_SEED = Seed("images", _push_images)
LARGE_SEED = Seed("large", _push_large, needs_source=True)
TAGS_SEED = Seed("tags", _push_tags)
CATALOG_SEED = Seed("catalog", _push_catalog)
ACCOUNTS_SEED = Seed(
    "accounts",
    _push_images,
    settings={
        "ORLOP_ACCESS_MODE": "accounts",
        "ORLOP_ACCESS_RULES": "anyone may push on **",  # so that the content gets there as in all other seeds
        "ORLOP_ACCESS_HTPASSWD": str(Path(__file__).with_name("htpasswd")),
    },
)
LEASED_SEED = Seed("leased", _push_leased, settings={"ORLOP_LIMITS_LEASE": f"{LEASE_SECONDS}s"})
