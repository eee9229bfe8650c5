"""Names of repositories, tags and digests: what is one, and that nothing else is taken for one."""

import uuid
from urllib.parse import quote

import pytest

from tests.protocol.client import Client
from tests.protocol.content import absent_digest
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets

GOOD_NAMES = ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a-b_c.d__e", "x/y", "0/1/2/3/4/5/6/7", "a.b/c_d/e-f"]
BAD_NAMES = [
    "A", "aA", "-a", "a-", ".a", "a.", "_a", "a_", "a..b", "a___b", "a._b", "a.-b", "a--", "a/", "a//b", "a/-b", "a/B",
    "a b", "a+b", "a:b", "a@b", "a~b", "a!b", "a,b", "a$b", "ä", "a\u0661", "а", "a\u2024b", "..", "a/..", "../a",
    "a/../b", "a/./b", ".", "%", "a%2fb", "a%00", "a\\b", "a\tb", "_catalog", "_/a", "!", "con!",
]  # fmt: skip


@meets("name-01")
@pytest.mark.parametrize("name", GOOD_NAMES)
def test_what_the_expression_matches_is_a_name(registry: Client, name: str) -> None:
    repository = Repository(registry, name)
    pushed = repository.push_image("v1")
    assert repository.get("manifests/v1").body == pushed.content
    assert repository.delete(f"manifests/{pushed.digest}").status == 202


@meets("name-01", "error-name-invalid")
@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_the_expression_does_not_match_is_no_name(registry: Client, name: str) -> None:
    repository = Repository(registry, quote(name, safe="/"))
    answers = [
        repository.get("manifests/v1"),
        repository.get(f"blobs/{absent_digest()}"),
        repository.get("tags/list"),
        repository.get(f"referrers/{absent_digest()}"),
        repository.request("POST", "blobs/uploads/", {"Content-Length": "0"}),
        repository.put_manifest("v1", b"{}"),
        repository.delete("manifests/v1"),
    ]
    for answer in answers:
        assert answer.status == 400, answer
        assert answer.codes in (["NAME_INVALID"], ["UNSUPPORTED"])
    assert answers[0].codes == ["NAME_INVALID"] or any(ord(character) < 32 for character in name)


@meets("name-02")
def test_a_name_has_255_characters_at_most(registry: Client) -> None:
    start = f"{uuid.uuid4().hex}/"
    repository = Repository(registry, start + "a" * (255 - len(start)))
    pushed = repository.push_image("v1")
    assert repository.get("manifests/v1").body == pushed.content
    answer = Repository(registry, repository.name + "a").request("POST", "blobs/uploads/", {"Content-Length": "0"})
    assert answer.status == 400
    assert answer.codes == ["NAME_INVALID"]


def test_names_that_differ_little_are_different_repositories(registry: Client) -> None:
    """Also where the names become paths of files: `a/b`, `a.b`, `a_b`, and one that is another's beginning."""
    stem = Repository(registry).name
    names = [stem, f"{stem}/b", f"{stem}.b", f"{stem}_b", f"{stem}-b", f"{stem}__b", f"{stem}/b/c", f"{stem}/v1"]
    pushed = {name: Repository(registry, name).push_image("v1") for name in names}
    assert len({image.digest for image in pushed.values()}) == len(names)
    for name, image in pushed.items():
        assert Repository(registry, name).get("manifests/v1").body == image.content
        assert Repository(registry, name).tags() == ["v1"]


GOOD_TAGS = [
    "a", "A", "0", "_", "__", "_images_list", "_manifests", "a.b-c_d", "a...", "a--", "LATEST", "latest", "v1.0.0-rc.1",
    "x" * 128, "_" * 128, "sha256-abc", "list", "con", "NUL", "manifests",
]  # fmt: skip
BAD_TAGS = [
    ".a", "-a", "x" * 129, "a b", "a+b", "a,b", "a~b", "a@b", "a!b", "ä", "a\u0661", "\u0661", "a\u2024b", "..", ".",
    "a\\b", "a%", "a\n", "a\x00", "*", "a/b", "..%2fa",
]  # fmt: skip


@meets("tag-01", "reference-01")
@pytest.mark.parametrize("tag", GOOD_TAGS)
def test_what_the_expression_matches_is_a_tag(repository: Repository, tag: str) -> None:
    pushed = repository.push_image(tag)
    assert repository.get(f"manifests/{tag}").body == pushed.content
    assert repository.tags() == [tag]
    assert repository.delete(f"manifests/{tag}").status == 202
    assert repository.get(f"manifests/{tag}").status == 404


def test_tags_are_told_apart_by_case(repository: Repository) -> None:
    upper, lower = repository.push_image("V"), repository.push_image("v")
    assert repository.get("manifests/V").body == upper.content
    assert repository.get("manifests/v").body == lower.content
    assert repository.tags() == ["V", "v"]


@meets("tag-01", "reference-01")
@pytest.mark.parametrize("tag", BAD_TAGS)
def test_what_the_expression_does_not_match_is_no_tag(repository: Repository, tag: str) -> None:
    document = repository.new_image()
    path = f"manifests/{quote(tag, safe='')}"
    answers = [
        repository.request("PUT", path, body=repr(document).encode()),
        repository.get(path),
        repository.delete(path),
    ]
    assert [answer.status for answer in answers] == [400, 400, 400]
    assert repository.get("tags/list").status == 404


BAD_DIGESTS = [
    "sha256:baddigeststring", "sha256:", ":", ":" + "a" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 65,
    "sha256:" + "A" * 64, "SHA256:" + "a" * 64, "sha256:" + "g" * 64, "sha256:" + "a" * 128, "sha512:" + "a" * 64,
    "sha512:" + "a" * 127, "md5:" + "a" * 32, "sha1:" + "a" * 40, "sha384:" + "a" * 96, "blake3:" + "a" * 64,
    "sha256:../../../../etc/passwd", "sha256:" + "a" * 64 + "\n", "sha256:" + "a" * 64 + " ", "sha256: " + "a" * 64,
    "sha256:" + "\u0661" * 64, "sha256:" + "a" * 62 + "/a", "sha256:" + "a" * 64 + ":b", "sha256::" + "a" * 63,
    "sha256:" + "a" * 63 + "\x00", "sha256+b64:" + "a" * 64, "sha256=" + "a" * 64 + ":",
]  # fmt: skip


@meets("reference-01", "digest-01", "newest-16")
@pytest.mark.parametrize("digest", BAD_DIGESTS)
def test_what_is_no_digest_is_refused_everywhere(repository: Repository, digest: str) -> None:
    text = quote(digest, safe="")
    answers = [
        repository.get(f"manifests/{text}"),
        repository.get(f"blobs/{text}"),
        repository.get(f"referrers/{text}"),
        repository.put_manifest(text, b"{}"),
        repository.delete(f"manifests/{text}"),
        repository.delete(f"blobs/{text}"),
        repository.request("POST", f"blobs/uploads/?digest={text}", body=b"abc"),
        repository.request("POST", f"blobs/uploads/?mount={text}", {"Content-Length": "0"}),
        repository.finish(repository.start(), text, b"abc"),
    ]
    for answer in answers:
        assert answer.status == 400, answer
        assert answer.codes in (["DIGEST_INVALID"], ["UNSUPPORTED"])
    heads = [repository.head(f"{kind}/{text}").status for kind in ("manifests", "blobs", "referrers")]
    assert heads == [400, 400, 400]


def test_an_unsupported_algorithm_is_named_with_those_that_are_supported(repository: Repository) -> None:
    answer = repository.get("blobs/md5:d41d8cd98f00b204e9800998ecf8427e")
    message = answer.json()["errors"][0]["message"]
    assert "md5" in message
    assert "sha256" in message
    assert "sha512" in message
