"""Referrers: what was attached to a manifest, and how it is listed."""

import itertools
import json
from typing import Any

import pytest

from tests.protocol.content import (
    EMPTY_JSON,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_INDEX,
    absent_digest,
    descriptor,
    encode,
    image,
    index,
)
from tests.protocol.links import next_target, pages
from tests.protocol.repository import Pushed, Repository
from tests.protocol.requirements import meets

SBOM, SIGNATURE = "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"


def artifact(repository: Repository, subject: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An image manifest that refers to another."""
    repository.push_blob(EMPTY_JSON)
    empty = descriptor(EMPTY_JSON, OCI_EMPTY)
    return image(empty, [empty], subject=subject, **more)


def absent(algorithm: str = "sha256") -> dict[str, Any]:
    return {"mediaType": OCI_IMAGE, "digest": absent_digest(algorithm), "size": 123}


def listed(pushed: Pushed, **more: Any) -> dict[str, Any]:
    return pushed.descriptor(**more)


@meets("referrers-01", "referrers-02", "referrers-04", "referrers-09", "newest-10")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("known", [True, False])
def test_what_nobody_refers_to_has_an_empty_index(repository: Repository, known: bool, algorithm: str) -> None:
    """Also in a repository that does not exist: 404 would say that there is no such API."""
    if known:
        repository.push_image("v1")
    for query in ("", "?artifactType=a/b"):
        answer = repository.get(f"referrers/{absent_digest(algorithm)}{query}")
        assert answer.status == 200
        assert answer.header("Content-Type") == OCI_INDEX
        assert answer.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        assert not answer.every("Link")
    assert repository.head(f"referrers/{absent_digest(algorithm)}").status == 200


@meets("referrers-03")
@pytest.mark.parametrize("digest", ["x", "v1", "sha256:", "sha256:" + "a" * 63, "md5:" + "a" * 32])
def test_referrers_of_what_is_no_digest_are_400(repository: Repository, digest: str) -> None:
    repository.push_image("v1")
    answer = repository.get(f"referrers/{digest}")
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]


@meets("subject-01", "referrers-05", "referrers-06", "referrers-08", "upgrade-02", "newest-10")
def test_a_referrer_is_listed_with_type_size_and_annotations(repository: Repository) -> None:
    subject = repository.push_image("v1")
    annotations = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z", "": "", "ä": "\x00\n\U0001f40b"}
    document = artifact(repository, subject.descriptor(), artifactType=SBOM, annotations=annotations)
    content = encode(document)
    answer = repository.put_manifest("sbom", content, OCI_IMAGE)
    assert answer.status == 201
    assert answer.header("OCI-Subject") == subject.digest
    digest = answer.header("Docker-Content-Digest")
    assert repository.referrers(subject.digest) == [
        {
            "mediaType": OCI_IMAGE,
            "digest": digest,
            "size": len(content),
            "artifactType": SBOM,
            "annotations": annotations,
        }
    ]


@meets("push-01", "subject-01", "upgrade-02", "newest-10")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_subject_need_not_be_there(repository: Repository, algorithm: str) -> None:
    subject = absent(algorithm)
    content = encode(artifact(repository, subject, artifactType=SBOM))
    answer = repository.put_manifest("sbom", content, OCI_IMAGE)
    assert answer.status == 201
    assert answer.header("OCI-Subject") == subject["digest"]
    assert [found["digest"] for found in repository.referrers(subject["digest"])] == [
        answer.header("Docker-Content-Digest")
    ]
    assert repository.get(f"manifests/{subject['digest']}").status == 404


@meets("push-01")
def test_a_subject_may_be_pushed_after_its_referrer(repository: Repository) -> None:
    document = repository.new_image()
    content = encode(document)
    subject = descriptor(content, OCI_IMAGE)
    referrer = repository.push_manifest(artifact(repository, subject))
    assert repository.put_manifest("v1", content, OCI_IMAGE).status == 201
    assert [found["digest"] for found in repository.referrers(subject["digest"])] == [referrer.digest]


@meets("referrers-06")
def test_an_image_without_an_artifact_type_has_its_configs(repository: Repository) -> None:
    config = b'{"config": 1}'
    repository.push_blob(config)
    repository.push_blob(EMPTY_JSON)
    subject = absent()
    layers = [descriptor(EMPTY_JSON, OCI_EMPTY)]
    for more in ({}, {"artifactType": ""}, {"artifactType": None}):
        document = image(descriptor(config, SIGNATURE), layers, subject=subject, **more)
        pushed = repository.push_manifest(document)
        assert listed(pushed, artifactType=SIGNATURE) in repository.referrers(subject["digest"])


@meets("referrers-05", "referrers-07", "referrers-08", "subject-01")
def test_an_index_without_an_artifact_type_is_listed_without_one(repository: Repository) -> None:
    subject = absent()
    untyped = repository.push_manifest(index([], subject=subject, annotations={"a": "b"}))
    typed = repository.push_manifest(index([], subject=subject, artifactType=SBOM))
    answer = repository.put_manifest(untyped.digest, untyped.content, OCI_INDEX)
    assert answer.header("OCI-Subject") == subject["digest"]
    found = {each["digest"]: each for each in repository.referrers(subject["digest"])}
    assert found == {
        untyped.digest: listed(untyped, annotations={"a": "b"}),
        typed.digest: listed(typed, artifactType=SBOM),
    }


@meets("referrers-04")
def test_only_manifests_of_this_repository_and_subject_are_listed(repository: Repository) -> None:
    subject, other = repository.push_image(), repository.push_image()
    mine = repository.push_manifest(artifact(repository, subject.descriptor()))
    repository.push_manifest(artifact(repository, other.descriptor()))
    elsewhere = repository.sibling()
    elsewhere.push_manifest(artifact(elsewhere, subject.descriptor(), artifactType=SBOM))
    assert [found["digest"] for found in repository.referrers(subject.digest)] == [mine.digest]
    assert repository.referrers(mine.digest) == []


@meets("referrers-11", "referrers-12", "newest-10")
def test_a_filter_leaves_the_asked_type(repository: Repository) -> None:
    subject = absent()
    boms = [
        repository.push_manifest(artifact(repository, subject, artifactType=SBOM, annotations={"n": str(number)}))
        for number in range(3)
    ]
    signature = repository.push_manifest(artifact(repository, subject, artifactType=SIGNATURE))
    empty = repository.push_manifest(artifact(repository, subject))  # its config's type
    wanted = {SBOM: boms, SIGNATURE: [signature], OCI_EMPTY: [empty], "application/none": [], "a": [], "%25": []}
    for artifact_type, pushed in wanted.items():
        answer = repository.get(f"referrers/{subject['digest']}?artifactType={artifact_type}")
        assert answer.status == 200
        assert answer.header("OCI-Filters-Applied") == "artifactType"
        found = [each["digest"] for each in answer.json()["manifests"]]
        assert sorted(found) == sorted(each.digest for each in pushed)
    unfiltered = repository.get(f"referrers/{subject['digest']}")
    assert not unfiltered.every("OCI-Filters-Applied")
    assert len(unfiltered.json()["manifests"]) == 5


@meets("referrers-11")
def test_a_filter_with_a_plus_is_understood_encoded_and_bare(repository: Repository) -> None:
    subject = absent()
    pushed = repository.push_manifest(artifact(repository, subject, artifactType="application/vnd.example.sbom+json"))
    for spelled in ("application%2Fvnd.example.sbom%2Bjson", "application/vnd.example.sbom+json"):
        found = repository.referrers(subject["digest"], f"?artifactType={spelled}")
        assert [each["digest"] for each in found] == [pushed.digest]


@meets("referrers-10", "newest-10")
@pytest.mark.parametrize("query", ["", f"artifactType={SBOM}"])
@pytest.mark.parametrize("count", [1, 2, 5, 7, 10])
def test_a_long_list_is_paged_with_link(repository: Repository, count: int, query: str) -> None:
    subject = absent()
    pushed = [
        repository.push_manifest(artifact(repository, subject, artifactType=SBOM, annotations={"n": str(number)}))
        for number in range(7)
    ]
    signature = repository.push_manifest(artifact(repository, subject, artifactType=SIGNATURE))
    if not query:
        pushed.append(signature)
    found = list(pages(repository.client, f"{repository.base}/referrers/{subject['digest']}?n={count}&{query}"))
    digests = [each["digest"] for page in found for each in page.json()["manifests"]]
    assert sorted(digests) == sorted(each.digest for each in pushed)
    assert all(len(page.json()["manifests"]) == count for page in found[:-1])
    for page in found:
        assert page.header("Content-Type") == OCI_INDEX
        assert page.json()["schemaVersion"] == 2
        assert page.json()["mediaType"] == OCI_INDEX
        assert bool(page.every("OCI-Filters-Applied")) == bool(query)


@meets("referrers-10")
@pytest.mark.timeout(120)
def test_a_page_is_never_larger_than_a_client_reads(repository: Repository) -> None:
    """Clients read 4 MiB of an index; forty referrers with 200 KiB of annotations each make 8 MiB."""
    subject = absent()
    pushed = {
        repository.push_manifest(
            artifact(repository, subject, artifactType=SBOM, annotations={"n": f"{number}", "long": "x" * 200_000})
        ).digest
        for number in range(40)
    }
    found = list(pages(repository.client, f"{repository.base}/referrers/{subject['digest']}"))
    assert all(len(page.body) <= 4 * 1024 * 1024 for page in found)
    digests = [each["digest"] for page in found for each in page.json()["manifests"]]
    assert len(digests) == len(set(digests))
    assert set(digests) == pushed


@pytest.mark.parametrize("last", ["x", "%00", "sha256:", "zzz", "%27"])
def test_a_made_up_page_is_no_error_of_the_registry(repository: Repository, last: str) -> None:
    subject = absent()
    repository.push_manifest(artifact(repository, subject))
    answer = repository.get(f"referrers/{subject['digest']}?last={last}")
    assert answer.status in (200, 400)
    for count in ("-1", "x", "", "+1", "1_0"):
        assert repository.get(f"referrers/{subject['digest']}?n={count}").status == 400


def fallback_tag(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


@meets("upgrade-01", "newest-10")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_was_pushed_under_the_fallback_tag_is_listed_too(repository: Repository, algorithm: str) -> None:
    """As a client does whose registry knew nothing of referrers: the list is an index under a tag."""
    subject = absent(algorithm)
    repository.push_blob(EMPTY_JSON)
    listed_only = repository.push_image(annotations={"a": "only in the list"})
    both = repository.push_manifest(artifact(repository, subject, artifactType=SIGNATURE))
    api_only = repository.push_manifest(artifact(repository, subject, artifactType=SBOM, annotations={"b": "c"}))
    entries = [
        listed_only.descriptor(artifactType=SBOM, annotations={"x": "y"}),
        both.descriptor(artifactType="application/wrong"),
    ]
    repository.push_manifest(index(entries), fallback_tag(subject["digest"]))
    found = {each["digest"]: each for each in repository.referrers(subject["digest"])}
    assert found == {
        listed_only.digest: entries[0],
        both.digest: listed(both, artifactType=SIGNATURE),
        api_only.digest: listed(api_only, artifactType=SBOM, annotations={"b": "c"}),
    }
    filtered = {each["digest"] for each in repository.referrers(subject["digest"], f"?artifactType={SBOM}")}
    assert filtered == {listed_only.digest, api_only.digest}
    paged = [
        each["digest"]
        for page in pages(repository.client, f"{repository.base}/referrers/{subject['digest']}?n=1")
        for each in page.json()["manifests"]
    ]
    assert sorted(paged) == sorted(found)


@meets("upgrade-01")
def test_a_fallback_tag_that_is_no_index_is_ignored(repository: Repository) -> None:
    subject = absent()
    repository.push_image(fallback_tag(subject["digest"]))
    assert repository.referrers(subject["digest"]) == []


@meets("referrers-04", "newest-14")
def test_a_deleted_referrer_is_not_listed_any_more(repository: Repository) -> None:
    subject = repository.push_image()
    referrers = [
        repository.push_manifest(artifact(repository, subject.descriptor(), annotations={"n": str(number)}))
        for number in range(2)
    ]
    assert repository.delete(f"manifests/{referrers[0].digest}").status == 202
    assert [each["digest"] for each in repository.referrers(subject.digest)] == [referrers[1].digest]


def test_a_referrer_may_outlive_its_subject(repository: Repository) -> None:
    subject = repository.push_image("v1")
    referrer = repository.push_manifest(artifact(repository, subject.descriptor()))
    assert repository.delete(f"manifests/{subject.digest}").status == 202
    assert [each["digest"] for each in repository.referrers(subject.digest)] == [referrer.digest]
    assert repository.get(f"manifests/{referrer.digest}").status == 200


def test_referrers_of_referrers(repository: Repository) -> None:
    subject = repository.push_image()
    chain = [subject]
    for number in range(4):
        document = artifact(repository, chain[-1].descriptor(), annotations={"n": str(number)})
        chain.append(repository.push_manifest(document))
    for each, referrer in itertools.pairwise(chain):
        assert [found["digest"] for found in repository.referrers(each.digest)] == [referrer.digest]


def test_the_listing_is_an_index_that_could_be_pushed(repository: Repository) -> None:
    subject = repository.push_image()
    repository.push_manifest(artifact(repository, subject.descriptor(), artifactType=SBOM, annotations={"a": "b"}))
    answer = repository.get(f"referrers/{subject.digest}")
    assert next_target(answer) is None
    assert repository.put_manifest("copy", answer.body, OCI_INDEX).status == 201
    assert repository.get("manifests/copy").json() == json.loads(answer.body)
