"""Referrers: what names a manifest as its subject, whichever way it was pushed."""

from typing import Any

import pytest

from orlop.domain.digest import Digest
from orlop.domain.manifest import OCI_IMAGE, OCI_INDEX
from tests.protocol.content import descriptor, encode, index
from tests.unit.registry.house import CALLER, NAME, OTHER, House

SUBJECT = b"the subject need not be there"
DIGEST = Digest.of(SUBJECT)


def digests(house: House, *, artifact_type: str = "", last: str = "", count: int = 100) -> list[str]:
    page = house.referrers.page(CALLER, NAME, DIGEST, artifact_type=artifact_type, last=last, count=count)
    return [item["digest"] for item in page.descriptors]


def refer(house: House, **more: Any) -> Digest:
    return house.push_image(subject=descriptor(SUBJECT, OCI_IMAGE), **more)


def test_nothing_refers_to_what_is_unknown(house: House) -> None:
    assert digests(house) == []
    house.push_image()
    assert digests(house) == []


def test_referrers_are_told_with_their_type_and_annotations(house: House) -> None:
    plain, typed = refer(house), refer(house, artifactType="text/x", annotations={"a": "b"})
    page = house.referrers.page(CALLER, NAME, DIGEST, artifact_type="", last="", count=100)
    told = {item["digest"]: item for item in page.descriptors}
    assert set(told) == {plain, typed}
    assert told[typed]["artifactType"] == "text/x"
    assert told[typed]["annotations"] == {"a": "b"}
    assert told[plain]["mediaType"] == OCI_IMAGE
    assert digests(house, artifact_type="text/x") == [typed]
    assert house.referrers.page(CALLER, OTHER, DIGEST, artifact_type="", last="", count=100).descriptors == []


def test_a_deleted_referrer_is_gone(house: House) -> None:
    first, second = refer(house), refer(house)
    house.manifests.delete(CALLER, NAME, first)
    assert digests(house) == [second]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_pages_hold_every_referrer_once_in_the_order_of_digests(house: House, count: int) -> None:
    expected = sorted([refer(house) for _ in range(3)] + [fallback(house) for _ in range(2)])
    found: list[str] = []
    while True:
        last = found[-1] if found else ""
        page = house.referrers.page(CALLER, NAME, DIGEST, artifact_type="", last=last, count=count)
        assert len(page.descriptors) <= count
        found += [item["digest"] for item in page.descriptors]
        if not page.more:
            break
    assert found == expected


def fallback(house: House) -> Digest:
    """Attaches an image as clients do that know no referrers API; its digest."""
    tag = f"sha256-{DIGEST.hex}"
    content = house.new_image()
    house.push(content)
    listed = [descriptor(content, OCI_IMAGE)]
    if house.repositories.page(CALLER, last="", count=1).names:
        page = house.referrers.page(CALLER, NAME, DIGEST, artifact_type="", last="", count=100)
        listed += [item for item in page.descriptors if "artifactType" not in item]
    house.push(encode(index(listed)), tag, media_type=OCI_INDEX)
    return Digest.of(content)


def test_what_is_listed_under_the_fallback_tag_counts_while_it_is_there(house: House) -> None:
    own, old = refer(house), fallback(house)
    assert digests(house) == sorted([own, old])
    top = house.tag(f"sha256-{DIGEST.hex}")
    house.manifests.delete(CALLER, NAME, Digest.parse(top))
    assert digests(house) == [own]
