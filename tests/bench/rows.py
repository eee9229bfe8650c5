"""The rows of the table: what is measured, on what data, and how much faster Orlop is to be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tests.bench import seeds
from tests.bench.contents import LARGE, MIB, Blob
from tests.bench.loads import (
    BlobPushes,
    Downloads,
    DueHeads,
    Gets,
    Heads,
    Load,
    ManifestPushes,
    SignedInGets,
    Uploads,
    Wanted,
    by_digest,
)
from tests.bench.seeds import Seed

CLIENTS = 16
LIST_CLIENTS = 4
RANGE = 64 * MIB
PAGE = 1_000
CPU_GOAL = 0.4  # CPU seconds per GiB that leave the server


class Unit(Enum):
    """What a row counts, and how many of them its CPU seconds are stated for."""

    REQUESTS = 1_000
    BYTES = 1 << 30


@dataclass(frozen=True)
class Row:
    """One line of the table. Without a seed, every measurement starts on an empty folder."""

    key: str
    title: str
    load: Load
    goal: float | None
    unit: Unit = Unit.REQUESTS
    seed: Seed | None = None
    cpu_goal: float | None = None
    peer_key: str = ""
    """The row whose figure is the peer's, where the peer knows no difference."""

    @property
    def needs_source(self) -> bool:
        return isinstance(self.load, Uploads | Downloads)


def _manifests_by_tag() -> list[Wanted]:
    return [
        Wanted(f"/v2/{image.repository}/manifests/{image.tag}", by_digest(image.manifest.digest))
        for image in seeds.images()
    ]


def _manifests_by_digest() -> list[Wanted]:
    return [
        Wanted(f"/v2/{image.repository}/manifests/{image.manifest.digest}", by_digest(image.manifest.digest))
        for image in seeds.images()
    ]


def _image_layers() -> list[tuple[str, Blob]]:
    return [(image.repository, blob) for image in seeds.images() for blob in image.blobs[1:]]


def _blobs() -> list[Wanted]:
    return [
        Wanted(f"/v2/{repository}/blobs/{blob.digest}", by_digest(blob.digest)) for repository, blob in _image_layers()
    ]


def _leased() -> list[tuple[str, Blob]]:
    return [(seeds.LEASED_REPOSITORY, blob) for blob in seeds.leased()]


def _tags() -> list[Wanted]:
    expected = {f"v{number}" for number in range(seeds.TAGS)}
    return [Wanted(f"/v2/{seeds.TAGS_REPOSITORY}/tags/list", lambda body: set(json.loads(body)["tags"]) == expected)]


def _catalog_pages() -> list[Wanted]:
    names = seeds.catalog()
    first, second = names[:PAGE], names[PAGE:]
    return [
        Wanted(f"/v2/_catalog?n={PAGE}", lambda body: json.loads(body)["repositories"] == first),
        Wanted(f"/v2/_catalog?n={PAGE}&last={first[-1]}", lambda body: json.loads(body)["repositories"] == second),
    ]


def _download(count: int, *, whole: bool) -> Row:
    return Row(
        f"download-{'whole' if whole else 'ranges'}-{count}",
        f"GET blob of 1 GiB, {'whole' if whole else 'by ranges of 64 MiB'}, {_streams(count)}",
        Downloads(count, LARGE, LARGE if whole else RANGE, rounds=3 if count == 1 else 1),
        goal=1.5,
        unit=Unit.BYTES,
        seed=seeds.LARGE_SEED,
        cpu_goal=CPU_GOAL,
    )


def _upload(count: int, goal: float, *, chunked: bool) -> Row:
    return Row(
        f"upload-{'chunked' if chunked else 'sized'}-{count}",
        f"Upload of 512 MiB, {'chunked as docker does' if chunked else 'with Content-Length'}, {_streams(count)}",
        Uploads(count, chunked),
        goal=goal,
        unit=Unit.BYTES,
    )


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"


ROWS: Sequence[Row] = (
    Row(
        "manifest-by-tag",
        "GET manifest by tag, 16 clients",
        Gets(_manifests_by_tag, CLIENTS),
        7,
        seed=seeds.IMAGES_SEED,
    ),
    Row(
        "manifest-signed-in",
        "GET manifest by tag, with a token, 16 clients",
        SignedInGets(_manifests_by_tag, CLIENTS),
        None,
        seed=seeds.ACCOUNTS_SEED,
        peer_key="manifest-by-tag",
    ),
    Row(
        "manifest-by-digest",
        "GET manifest by digest, 16 clients",
        Gets(_manifests_by_digest, CLIENTS),
        None,
        seed=seeds.IMAGES_SEED,
    ),
    Row("head-blob", "HEAD blob, no lease due, 16 clients", Heads(_image_layers, CLIENTS), 8, seed=seeds.IMAGES_SEED),
    Row(
        "head-blob-lease",
        "HEAD blob, lease due, 16 clients",
        DueHeads(_leased, CLIENTS),
        3,
        seed=seeds.LEASED_SEED,
        peer_key="head-blob",
    ),
    Row("blob-2k", "GET blob of 2 KiB, 16 clients", Gets(_blobs, CLIENTS), 8, seed=seeds.IMAGES_SEED),
    _download(1, whole=True),
    _download(4, whole=True),
    _download(1, whole=False),
    _download(4, whole=False),
    _upload(1, 2.8, chunked=False),
    _upload(4, 2.2, chunked=False),
    _upload(1, 2.2, chunked=True),
    _upload(4, 1.6, chunked=True),
    Row("push-4k", "Push of 4 KiB blobs, 16 clients", BlobPushes(CLIENTS), 4),
    Row("put-manifest", "PUT manifest, 16 clients", ManifestPushes(CLIENTS), 4),
    Row("tags", "List of 10,000 tags, 4 clients", Gets(_tags, LIST_CLIENTS), 2, seed=seeds.TAGS_SEED),
    Row(
        "catalog",
        "Catalog page of 1,000 among 2,000, 4 clients",
        Gets(_catalog_pages, LIST_CLIENTS),
        2,
        seed=seeds.CATALOG_SEED,
    ),
)
