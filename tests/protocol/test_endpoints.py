"""The API as a whole: every endpoint, every method, and what is at no address."""

import pytest

from tests.protocol.client import Client
from tests.protocol.content import absent_digest, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


@meets("support-01")
@pytest.mark.parametrize("target", ["/v2/", "/v2", "/v2/?x=y"])
def test_the_base_says_that_the_api_is_spoken_here(registry: Client, target: str) -> None:
    answer = registry.get(target)
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {}
    assert answer.header("Docker-Distribution-API-Version") == "registry/2.0"
    assert registry.head(target).status == 200


@meets("conformance-01", "conformance-02", "conformance-03")
def test_every_endpoint_of_all_four_categories_succeeds(repository: Repository) -> None:
    blob = random_bytes(300)
    digest = digest_of(blob)
    assert repository.client.get("/v2/").status == 200
    assert repository.post_blob(blob).status == 201
    location = repository.start()
    assert repository.patch(location, blob).status == 202
    assert repository.client.get(location).status == 204
    assert repository.finish(location, digest).status == 201
    assert repository.client.delete(repository.start()).status == 204
    assert repository.sibling().request("POST", f"blobs/uploads/?mount={digest}&from={repository.name}").status == 201
    assert [repository.request(method, f"blobs/{digest}").status for method in ("GET", "HEAD")] == [200, 200]
    pushed = repository.push_image("v1")
    for reference in ("v1", pushed.digest):
        assert [repository.request(method, f"manifests/{reference}").status for method in ("GET", "HEAD")] == [200, 200]
    assert repository.get("tags/list").status == 200
    assert repository.get("tags/list?n=1&last=a").status == 200
    assert repository.get(f"referrers/{pushed.digest}").status == 200
    assert repository.get(f"referrers/{pushed.digest}?artifactType=a/b").status == 200
    assert repository.delete("manifests/v1").status == 202
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.delete(f"blobs/{digest}").status == 202


ALLOWED = {
    "manifests/v1": {"GET", "HEAD", "PUT", "DELETE"},
    f"manifests/{absent_digest()}": {"GET", "HEAD", "PUT", "DELETE"},
    f"blobs/{absent_digest()}": {"GET", "HEAD", "DELETE"},
    "blobs/uploads/": {"POST"},
    "blobs/uploads": {"POST"},
    f"blobs/uploads/{'a' * 40}": {"GET", "HEAD", "PATCH", "PUT", "DELETE"},
    "tags/list": {"GET", "HEAD"},
    f"referrers/{absent_digest()}": {"GET", "HEAD"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@meets("beyond-methods")
@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_does_not_fit_gets_405_with_those_that_do(repository: Repository, path: str) -> None:
    for method in METHODS:
        if method in ALLOWED[path]:
            continue
        answer = repository.request(method, path)
        assert answer.status == 405, method
        assert set(answer.header("Allow").split(", ")) == ALLOWED[path]
        if method != "HEAD":
            assert answer.codes == ["UNSUPPORTED"]


@meets("beyond-methods")
@pytest.mark.parametrize("target", ["/v2/", "/v2/_catalog"])
def test_the_base_and_the_catalog_are_only_read(registry: Client, target: str) -> None:
    for method in set(METHODS) - {"GET", "HEAD"}:
        answer = registry.request(method, target)
        assert answer.status == 405, method
        assert set(answer.header("Allow").split(", ")) == {"GET", "HEAD"}


@meets("beyond-methods")
@pytest.mark.parametrize("method", ["BREW", "get", "GETX", "\u00e4", "G" * 1000])
def test_a_method_that_is_none_is_refused(registry: Client, method: str) -> None:
    assert registry.request(method, "/v2/").status in (400, 405, 501)
    assert registry.get("/v2/").status == 200


@meets("beyond-methods")
def test_a_refused_method_leaves_the_connection_in_step(repository: Repository) -> None:
    """The refused request's body must not be taken for the next request."""
    body = b"GET /v2/evil/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"
    assert repository.request("POST", "tags/list", body=body).status == 405
    assert repository.get("tags/list").codes == ["NAME_UNKNOWN"]
    assert repository.client.get("/v2/").status == 200


@meets("beyond-addresses")
@pytest.mark.parametrize(
    "target",
    [
        "/v2/_nothing", "/v2/a", "/v2/a/b", "/v2/a/b/c", "/v2//", "/v2//manifests/v1", "/v2/a//manifests/v1",
        "/v2/a/tags", "/v2/a/tags/", "/v2/a/tags/list/", "/v2/a/tags/list/x", "/v2/a/manifests", "/v2/a/manifests/",
        "/v2/a/blobs", "/v2/a/blobs/", "/v2/a/referrers", "/v2/a/referrers/", "/v2/_catalog/", "/v2/a/_catalog",
    ],
)  # fmt: skip
def test_what_is_at_no_address_is_400_or_404(registry: Client, target: str) -> None:
    assert registry.get(target).status in (400, 404)


@pytest.mark.parametrize("target", ["/", "/livez", "/readyz", "/metrics"])
def test_what_lies_beside_the_api_is_there(registry: Client, target: str) -> None:
    assert registry.get(target).status == 200


@pytest.mark.parametrize("target", ["/v3/", "/v22/", "/v2x", "/favicon.ico", "/livez/", "//v2/", "/V2/", "*", "/."])
def test_what_is_beside_the_api_and_not_there_is_404(registry: Client, target: str) -> None:
    assert registry.get(target).status in (400, 404)


@pytest.mark.parametrize(
    "name", ["blobs", "manifests/blobs", "a/manifests", "tags/list", "a/blobs/uploads", "referrers"]
)
def test_a_name_may_hold_the_words_of_the_api(registry: Client, name: str) -> None:
    """`<name>` may hold any words, also those that the paths of the API are made of."""
    repository = Repository(registry, f"{name}/{Repository(registry).name}")
    other = Repository(registry, f"{Repository(registry).name}/{name}")
    for each in (repository, other):
        pushed = each.push_image("list")
        assert each.get("manifests/list").body == pushed.content
        assert each.tags() == ["list"]
        assert each.delete(f"manifests/{pushed.digest}").status == 202
