"""Every path is where the format says, and no two things share one."""

import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.digest import Digest
from orlop.storage.layout import (
    BlobKey,
    Layout,
    ManifestEntry,
    join_name,
    split_name,
    tag_from_segment,
    tag_segment,
)
from orlop.storage.paths import InvalidPath, check_path

LAYOUT = Layout()
SHA256 = Digest.parse("sha256:" + "ab12" * 16)
SHA512 = Digest.parse("sha512:" + "cd34" * 32)

PARTS = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", fullmatch=True)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(lambda name: len(name) <= 255)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)


def test_the_format_names_every_path() -> None:
    """Whoever reads the tree with other tools has only the page to go by."""

    class Placeholder:
        algorithm = "<algorithm>"
        hex = "<hex>"

    page = (Path(__file__).parents[3] / "docs" / "formats" / "tree.md").read_text()
    drawn = {line.split()[0] for line in page.splitlines() if line.startswith("    ")}
    values = {
        "namespace": "<ns>",
        "repository": "<repo>",
        "image_id": "<image_id>",
        "tag": "<tag>",
        "digest": Placeholder,
        "upload_id": "<upload_id>",
        "chain_id": "<chain_id>",
        "path": "<path>",
    }
    for name, method in inspect.getmembers(LAYOUT, inspect.ismethod):
        if not name.endswith("_path") or name.endswith("_of_path"):
            continue
        needed = [values[parameter] for parameter in inspect.signature(method).parameters if parameter != "generation"]
        path = method(*needed).replace("/<h/", "/<hex[:2]>/")
        assert path in drawn or any(line.startswith(f"{path.removesuffix('/')}/") for line in drawn), name


def test_the_nine_paths_of_old() -> None:
    image = ("ns", "repo", "id")
    assert LAYOUT.images_list_path("ns", "repo") == "repositories/ns/repo/_images_list"
    assert LAYOUT.image_json_path(*image) == "images/ns/repo/id/json"
    assert LAYOUT.image_mark_path(*image) == "images/ns/repo/id/_inprogress"
    assert LAYOUT.image_checksum_path(*image) == "images/ns/repo/id/_checksum"
    assert LAYOUT.image_layer_path(*image) == "images/ns/repo/id/layer"
    assert LAYOUT.image_ancestry_path(*image) == "images/ns/repo/id/ancestry"
    assert LAYOUT.repository_namespace_path("ns", "repo") == "images/ns/repo/"
    assert LAYOUT.image_file_trie_path(*image) == "images/ns/repo/id/files.trie"
    assert LAYOUT.image_file_diffs_path(*image) == "images/ns/repo/id/diffs.json"


def test_the_other_paths() -> None:
    assert LAYOUT.store_path() == "orlop.json"
    assert LAYOUT.repository_path("ns", "repo") == "repositories/ns/repo"
    assert LAYOUT.tag_path("ns", "repo", "v1.0") == "repositories/ns/repo/v1.0"
    assert LAYOUT.tag_path("ns", "repo", "_images_list") == "repositories/ns/repo/!_images_list"
    assert LAYOUT.manifests_path("ns", "repo") == "repositories/ns/repo/_manifests"
    assert LAYOUT.manifest_entry_path("ns", "repo", SHA256) == f"repositories/ns/repo/_manifests/sha256/{SHA256.hex}"
    assert LAYOUT.blob_path(SHA256) == f"blobs/sha256/ab/{SHA256.hex}"
    assert LAYOUT.blob_path(SHA512, 12) == f"blobs/sha512/cd/{SHA512.hex}.12"
    assert LAYOUT.upload_path("0f") == "uploads/0f/data"
    assert LAYOUT.layer_toc_path(SHA512) == f"layers/sha512/{SHA512.hex}/toc"
    assert LAYOUT.chain_trie_path(SHA256.hex) == f"chains/{SHA256.hex}/files.trie"
    assert LAYOUT.quarantine_path("blobs/sha256/ab/x") == "quarantine/blobs/sha256/ab/x"
    assert LAYOUT.chain_diffs_path(SHA256.hex) == f"chains/{SHA256.hex}/diffs.json"


@pytest.mark.parametrize(
    ("name", "halves"),
    [
        ("ubuntu", ("_", "ubuntu")),
        ("library/ubuntu", ("library", "ubuntu")),
        ("a/b/c", ("a!b", "c")),
        ("a/b__c/d.e-f", ("a!b__c", "d.e-f")),
    ],
)
def test_names_are_split_at_their_last_slash(name: str, halves: tuple[str, str]) -> None:
    assert split_name(name) == halves
    assert join_name(*halves) == name


@given(NAMES, NAMES)
def test_no_two_names_share_a_folder(one: str, other: str) -> None:
    assert join_name(*split_name(one)) == one
    assert (LAYOUT.repository_path(*split_name(one)) == LAYOUT.repository_path(*split_name(other))) == (one == other)
    check_path(LAYOUT.repository_path(*split_name(one)))


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a//b", "//a", "_/a", "a!b", "a!b/c", "../a", "a/..", "x" * 256])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidPath):
        split_name(name)


@given(TAGS)
def test_tags_are_told_from_what_lies_beside_them(tag: str) -> None:
    segment = tag_segment(tag)
    assert not segment.startswith("_")
    assert tag_from_segment(segment) == tag
    check_path(LAYOUT.tag_path("ns", "repo", tag))


@pytest.mark.parametrize("segment", ["_images_list", "_manifests", "_", "!", "!x"])
def test_what_lies_beside_tags_is_none(segment: str) -> None:
    assert tag_from_segment(segment) is None


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../x", "a\0", "a\n", "a\\b", "ß", "x" * 256])
def test_no_argument_reaches_another_folder(bad: str) -> None:
    for call in (
        lambda: LAYOUT.tag_path("ns", "repo", bad),
        lambda: LAYOUT.tag_path("ns", bad, "tag"),
        lambda: LAYOUT.tag_path(bad, "repo", "tag"),
        lambda: LAYOUT.images_list_path(bad, "repo"),
        lambda: LAYOUT.image_json_path("ns", "repo", bad),
        lambda: LAYOUT.image_layer_path("ns", bad, "id"),
        lambda: LAYOUT.repository_namespace_path(bad, "repo"),
        lambda: LAYOUT.upload_path(bad),
        lambda: LAYOUT.chain_trie_path(bad),
        lambda: LAYOUT.chain_diffs_path(bad),
    ):
        with pytest.raises(InvalidPath):
            call()


@pytest.mark.parametrize("digest", [SHA256, SHA512])
def test_blobs_and_manifests_are_known_by_their_paths(digest: Digest) -> None:
    for generation in (0, 1, 23):
        key = LAYOUT.blob_of_path(LAYOUT.blob_path(digest, generation))
        assert key == BlobKey(digest.algorithm, digest.hex, generation)
    entry = LAYOUT.manifest_entry_of_path(LAYOUT.manifest_entry_path("a!b", "c", digest))
    assert entry == ManifestEntry("a!b", "c", digest.algorithm, digest.hex)


@pytest.mark.parametrize(
    "path",
    [
        "orlop.json",
        f"sha256/ab/{SHA256.hex}",
        f"blobs/sha256/cd/{SHA256.hex}",
        f"blobs/sha256/ab/{SHA256.hex}.0",
        f"blobs/sha256/ab/{SHA256.hex}.x",
        f"blobs/sha256/ab/{SHA256.hex.upper()}",
        f"blobs/sha256/ab/{SHA256.hex}\n",
        f"x/blobs/sha256/ab/{SHA256.hex}",
        "repositories/ns/repo/_images_list",
        "repositories/ns/repo/latest",
        f"repositories/ns/_manifests/sha256/{SHA256.hex}",
        f"repositories/ns/repo/x/_manifests/sha256/{SHA256.hex}",
        f"ns/repo/_manifests/sha256/{SHA256.hex}",
    ],
)
def test_other_paths_are_neither(path: str) -> None:
    assert LAYOUT.blob_of_path(path) is None
    assert LAYOUT.manifest_entry_of_path(path) is None


def test_the_longest_name_and_digest_fit() -> None:
    check_path(LAYOUT.manifest_entry_path(*split_name("x" * 253 + "/y"), SHA512))
    check_path(LAYOUT.blob_path(SHA512, 10**9))
    check_path(LAYOUT.tag_path("n" * 255, "r" * 255, "_" * 128))
