"""Repositories and tags, page by page; a repository is known while it holds a manifest."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orlop.domain.digest import Digest
from orlop.domain.errors import ManifestUnknown, RepositoryUnknown
from orlop.domain.name import RepositoryName, Tag
from orlop.registry import repositories
from tests.protocol.content import OCI_IMAGE, OCI_INDEX, encode, index
from tests.unit.registry.house import CALLER, NAME, OTHER, House


class KilledHere(Exception):
    """In place of a process that dies."""


def test_a_repository_is_known_while_it_holds_a_manifest(house: House) -> None:
    house.push_blob(b"blob", OTHER)
    with pytest.raises(RepositoryUnknown):
        house.repositories.tags(CALLER, OTHER, last="", count=10)
    digest = house.push_image(name=OTHER)
    assert house.repositories.tags(CALLER, OTHER, last="", count=10) == ([], False)
    house.manifests.delete(CALLER, OTHER, digest)
    with pytest.raises(RepositoryUnknown):
        house.repositories.tags(CALLER, OTHER, last="", count=10)
    assert house.repositories.page(CALLER, last="", count=10) == ([], False)


TAGS = sorted(["0", "9", "A", "Z", "_", "a", "a-b", "a.b", "a_b", "aa", "latest", "v1.10", "v1.9"])


@given(last=st.one_of(st.sampled_from(["", *TAGS]), st.text(max_size=3)), count=st.integers(0, 15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_page_is_what_follows_in_byte_order(house: House, last: str, count: int) -> None:
    if not house.repositories.page(CALLER, last="", count=1).names:
        house.push_image(*TAGS)
    following = [tag for tag in TAGS if tag.encode() > last.encode("utf-8", "surrogatepass")]
    page = house.repositories.tags(CALLER, NAME, last=last, count=count)
    assert page == (following[:count], len(following) > count > 0)


def test_repositories_page_by_name(house: House) -> None:
    names = sorted(["a", "a-b", "a/b", "a.b", "a/b/c", "b", "a0"])
    for name in names:
        house.push_image(name=RepositoryName.parse(name))
    found: list[str] = []
    for _ in names:
        page = house.repositories.page(CALLER, last=found[-1] if found else "", count=1)
        found += page.names
    assert found == names
    assert not page.more
    assert house.repositories.page(CALLER, last="a/", count=2) == (["a/b", "a/b/c"], True)


def test_tags_that_come_and_go_do_not_disturb_a_page(house: House) -> None:
    digest = house.push_image(*TAGS)
    first = house.repositories.tags(CALLER, NAME, last="", count=5).names
    house.manifests.delete_tag(CALLER, NAME, Tag(first[-1]))
    house.manifests.delete_tag(CALLER, NAME, Tag(first[0]))
    house.push(house.manifests.read(house.manifests.find(CALLER, NAME, digest)), "0a")
    second = house.repositories.tags(CALLER, NAME, last=first[-1], count=100).names
    assert first + second == TAGS


def test_a_delete_that_ends_half_way_leaves_no_index_without_what_it_holds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "BATCH", 2)
    below = [(house.push_image(), OCI_IMAGE) for _ in range(6)]
    for number in range(6):
        held = [{"mediaType": media_type, "digest": digest, "size": 1} for digest, media_type in below[number:]]
        pushed = house.push(encode(index(held)), f"v{number}", media_type=OCI_INDEX)
        below.append((pushed.digest, OCI_INDEX))
    write, left = house.database.write, 0

    def write_once(unit: Any) -> Any:
        nonlocal left
        if left == 0:
            raise KilledHere
        left -= 1
        return write(unit)

    commits = 0
    while True:
        left = 1
        with monkeypatch.context() as patch:
            patch.setattr(house.database, "write", write_once)
            try:
                house.repositories.delete(CALLER, NAME)
            except (KilledHere, RepositoryUnknown):
                pass
        commits += 1
        there = {digest for digest, _ in below if _holds(house, digest)}
        for digest in there:
            document = msgspec.json.decode(house.content.read(digest))
            assert {child["digest"] for child in document.get("manifests", ())} <= there
        if not there:
            break
    assert commits > 6


def _holds(house: House, digest: Digest) -> bool:
    try:
        house.manifests.find(CALLER, NAME, digest)
    except ManifestUnknown:
        return False
    return True
