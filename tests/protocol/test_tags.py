"""Listing tags, page by page."""

from urllib.parse import quote

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import OCI_IMAGE
from tests.protocol.links import next_target, pages
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

# As bytes order them: digits, capitals, _, small letters; - and . before all of these.
SORTED = [
    "0",
    "00",
    "1",
    "10",
    "2",
    "A",
    "B-1",
    "Z",
    "_",
    "_z",
    "a",
    "a-b",
    "a.b",
    "aB",
    "a_b",
    "ab",
    "b",
    "v1.10",
    "v1.9",
]


def tag_all(repository: Repository) -> Repository:
    """Pushes the tags of `SORTED`, in another order."""
    pushed = repository.push_image()
    for tag in sorted(SORTED, key=lambda tag: tag[::-1]):
        assert repository.put_manifest(tag, pushed.content, OCI_IMAGE).status == 201
    return repository


@pytest.fixture(scope="module")
def read_only(server: OrlopServer) -> str:
    """The name of a repository with the tags of `SORTED`, for all tests that do not change it."""
    with Client(address_of(server)) as client:
        return tag_all(Repository(client)).name


@pytest.fixture
def tagged(registry: Client, read_only: str) -> Repository:
    return Repository(registry, read_only)


@meets("tags-01", "tags-02", "newest-07")
def test_all_tags_come_sorted(tagged: Repository) -> None:
    answer = tagged.get("tags/list")
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"name": tagged.name, "tags": SORTED}
    assert sorted(SORTED) == SORTED
    assert not answer.every("Link")


@meets("tags-01")
def test_a_repository_without_tags_has_an_empty_list(repository: Repository) -> None:
    repository.push_image()
    answer = repository.get("tags/list")
    assert answer.status == 200
    assert answer.json() == {"name": repository.name, "tags": []}


@meets("error-name-unknown", "push-manifest-09")
def test_a_repository_that_is_not_known_is_404(repository: Repository) -> None:
    for query in ("", "?n=0", "?n=1", "?last=a", "?n=1&last=a"):
        answer = repository.get(f"tags/list{query}")
        assert answer.status == 404
        assert answer.codes == ["NAME_UNKNOWN"]
    assert repository.head("tags/list").status == 404


@meets("tags-03", "tags-05", "newest-07")
@pytest.mark.parametrize("count", [1, 2, 3, 5, 18, 19, 20, 1000])
def test_n_tags_come_at_a_time_and_link_leads_to_the_end(tagged: Repository, count: int) -> None:
    found = [answer.json() for answer in pages(tagged.client, f"{tagged.base}/tags/list?n={count}")]
    assert [tag for page in found for tag in page["tags"]] == SORTED
    assert all(page["name"] == tagged.name for page in found)
    assert [len(page["tags"]) for page in found[:-1]] == [count] * (len(found) - 1)
    assert len(found) == -(-len(SORTED) // count), "an empty page at the end, or a missing one"


@meets("tags-04", "newest-07")
def test_n_of_0_gives_an_empty_list_without_a_link(tagged: Repository) -> None:
    for query in ("?n=0", "?n=0&last=a", "?n=00", "?last=a&n=0"):
        answer = tagged.get(f"tags/list{query}")
        assert answer.status == 200
        assert answer.json() == {"name": tagged.name, "tags": []}
        assert not answer.every("Link")


@meets("tags-06", "newest-07")
@pytest.mark.parametrize("last", [*SORTED, "a-a", "AA", "~", "zzz", "-", "", "z" * 300, "a b", "ä", "%", "&n=1", "a/b"])
def test_last_begins_after_that_tag_whether_it_is_there_or_not(tagged: Repository, last: str) -> None:
    wanted = [tag for tag in SORTED if tag > last]
    assert tagged.tags(f"?last={quote(last, safe='')}") == wanted
    assert tagged.tags(f"?n=2&last={quote(last, safe='')}") == wanted[:2]


@meets("tags-06")
def test_last_is_a_tag_and_never_an_index(tagged: Repository) -> None:
    assert tagged.tags("?last=1") == SORTED[3:]
    assert tagged.tags("?last=18") == [tag for tag in SORTED if tag > "18"]


@meets("tags-06")
def test_a_page_goes_on_although_its_last_tag_has_gone(repository: Repository) -> None:
    tagged = tag_all(repository)
    first = tagged.get("tags/list?n=5")
    assert tagged.delete(f"manifests/{first.json()['tags'][-1]}").status == 202
    target = next_target(first)
    assert target is not None
    assert tagged.client.get(target).json()["tags"] == SORTED[5:10]


@meets("tags-05")
def test_tags_that_come_and_go_while_pages_are_read_disturb_no_others(repository: Repository) -> None:
    tagged = tag_all(repository)
    content = tagged.get(f"manifests/{SORTED[0]}").body
    found: list[str] = []
    for number, answer in enumerate(pages(tagged.client, f"{tagged.base}/tags/list?n=3")):
        found += answer.json()["tags"]
        assert tagged.put_manifest(f"new{number}", content, OCI_IMAGE).status == 201
        assert tagged.put_manifest(f"0new{number}", content, OCI_IMAGE).status == 201
        if number:
            assert tagged.delete(f"manifests/new{number - 1}").status == 202
    assert len(found) == len(set(found))
    assert set(SORTED) <= set(found)


@meets("beyond-pages")
@pytest.mark.parametrize(
    "count",
    [
        "-1", "-0", "+5", "1_000", "1e3", "1.0", "0x10", "abc", "", "%20", "5%20", "%205", "5%0a", "%D9%A5",
        "%EF%BC%95", "1,000", "1%001", "None", "%2d1", "null", "true",
    ],
)  # fmt: skip
def test_an_n_that_is_no_whole_number_is_refused(tagged: Repository, count: str) -> None:
    for target in (f"{tagged.base}/tags/list?n={count}", f"/v2/_catalog?n={count}"):
        answer = tagged.client.get(target)
        assert answer.status == 400, answer
        assert answer.codes == ["UNSUPPORTED"]


@meets("beyond-pages")
@pytest.mark.parametrize(
    "count", [10**4, 10**4 + 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**18], ids=lambda count: f"{count:.1e}"
)
def test_an_n_that_is_larger_than_any_list_is_no_error(tagged: Repository, count: int) -> None:
    for text in (str(count), f"000{count}"):
        answer = tagged.client.get(f"{tagged.base}/tags/list?n={text}")
        assert answer.status == 200
        assert answer.json()["tags"] == SORTED
        assert not answer.every("Link")


@meets("beyond-pages")
def test_an_n_of_five_thousand_digits_is_no_error_either(tagged: Repository) -> None:
    assert tagged.tags(f"?n={'9' * 5000}") == SORTED
    assert tagged.tags(f"?n={'0' * 5000}") == []
    assert tagged.tags(f"?n={'0' * 5000}2") == SORTED[:2]


def test_a_list_has_no_other_repositorys_tags(repository: Repository) -> None:
    repository.push_image("mine")
    other = Repository(repository.client, repository.name + "/sub")
    other.push_image("theirs")
    assert repository.tags() == ["mine"]
    assert other.tags() == ["theirs"]


@pytest.mark.parametrize("last", ["%25", "_", "a%25b", "%27%20OR%201=1--", "%22", "%5C"])
def test_a_last_of_patterns_and_quotes_is_only_text(tagged: Repository, last: str) -> None:
    answer = tagged.get(f"tags/list?last={last}&n=3")
    assert answer.status == 200
    assert set(answer.json()["tags"]) <= set(SORTED)


@meets("tags-01")
def test_head_of_a_list_answers_like_get(tagged: Repository) -> None:
    head, get = tagged.head("tags/list?n=3"), tagged.get("tags/list?n=3")
    assert head.status == 200
    assert head.header("Content-Length") == str(len(get.body))
    assert head.header("Link") == get.header("Link")


@meets("newest-14")
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_the_catalog_is_paged_like_tags(registry: Client, repository: Repository, count: int) -> None:
    stem = repository.name
    names = sorted(f"{stem}{end}" for end in ("", "-x", ".x", "/a", "/a/b", "/z", "0", "_x", "__x"))
    for name in reversed(names):
        Repository(registry, name).push_image("v1")
    found: list[str] = []
    for answer in pages(registry, f"/v2/_catalog?n={count}&last={stem[:-1]}"):
        found += answer.json()["repositories"]
        if found[-1] > names[-1]:
            break
    assert [name for name in found if name.startswith(stem)] == names
    assert found == sorted(found)
    assert registry.get(f"/v2/_catalog?n=2&last={quote(names[3], safe='')}").json()["repositories"] == names[4:6]


@meets("newest-14")
def test_the_whole_catalog_ends(registry: Client, repository: Repository) -> None:
    repository.push_image("v1")
    whole = registry.get("/v2/_catalog").json()["repositories"]
    paged = [name for page in pages(registry, "/v2/_catalog?n=10") for name in page.json()["repositories"]]
    assert paged == whole == sorted(set(whole))
    assert repository.name in whole
    nothing = registry.get("/v2/_catalog?n=0")
    assert nothing.json() == {"repositories": []}
    assert not nothing.every("Link")
    assert registry.get("/v2/_catalog?last=~").json() == {"repositories": []}


@meets("newest-14")
def test_a_repository_that_holds_no_manifest_any_more_is_not_listed(registry: Client, repository: Repository) -> None:
    pushed = repository.push_image("v1")
    target = f"/v2/_catalog?n=1&last={quote(repository.name[:-1], safe='')}"
    assert registry.get(target).json() == {"repositories": [repository.name]}
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.name not in registry.get(target).json()["repositories"]
    assert repository.get("tags/list").codes == ["NAME_UNKNOWN"]
