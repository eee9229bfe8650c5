"""Names, references and ids that mean to be paths: refused, with nothing read or written outside the tree."""

from pathlib import Path

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import on_local
from tests.protocol.content import digest_of
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.protocol.tricks import HIDDEN, TRICKS, outside
from tests.servers import OrlopServer


@pytest.fixture
def secret(server: OrlopServer) -> Path:
    """A file beside the tree, and one in it that is no object of the registry's."""
    assert server.data is not None
    path = server.data / "secret.txt"
    path.write_bytes(HIDDEN)
    return path


@on_local
@meets("beyond-paths")
@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: ascii(trick)[1:30])
def test_no_part_of_an_address_leads_out_of_the_tree(
    server: OrlopServer, registry: Client, secret: Path, trick: str
) -> None:
    before = outside(server)
    digest = digest_of(b"x")
    base = Repository(registry).base
    addresses = [
        f"/v2/{trick}/manifests/v1",
        f"/v2/a/{trick}/b/manifests/v1",
        f"{base}/manifests/{trick}",
        f"{base}/manifests/sha256:{trick}",
        f"{base}/blobs/{trick}",
        f"{base}/blobs/sha256:{trick}",
        f"/v2/{trick}/blobs/{digest}",
        f"{base}/blobs/uploads/{trick}",
        f"/v2/{trick}/tags/list",
        f"{base}/referrers/{trick}",
        f"/v2/{trick}",
    ]
    for target in addresses:
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "POST"):
            body = b"{}" if method in ("PUT", "PATCH", "POST") else None
            answer = registry.request(method, target, body=body)
            assert answer.status in (400, 404, 405), (method, target, answer)
            assert HIDDEN not in answer.body
            assert not answer.every("X-Evil")
    assert outside(server) == before
    assert secret.read_bytes() == HIDDEN
    assert registry.get("/v2/").status == 200


@on_local
@meets("beyond-paths")
@pytest.mark.parametrize(
    "parameter", ["digest", "mount", "from", "digest-algorithm", "tag", "last", "artifactType", "ns"]
)
@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: ascii(trick)[1:30])
def test_no_parameter_leads_out_of_the_tree(
    server: OrlopServer, repository: Repository, parameter: str, trick: str
) -> None:
    before = outside(server)
    wanted: tuple[int, ...] = (400,)
    if parameter in ("digest", "mount", "from", "digest-algorithm"):
        query = f"{parameter}={trick}" + (f"&mount={digest_of(b'x')}" if parameter == "from" else "")
        answer = repository.request("POST", f"blobs/uploads/?{query}", body=b"x")
        wanted = (202, 400) if parameter == "from" else wanted
    elif parameter == "tag":
        answer = repository.put_manifest(f"{digest_of(b'{}')}?tag={trick}", b"{}")
    elif parameter == "last":
        answer, wanted = repository.get(f"tags/list?last={trick}"), (400, 404)
    else:
        answer, wanted = repository.get(f"referrers/{digest_of(b'x')}?{parameter}={trick}"), (200, 400)
    assert answer.status in wanted, answer
    assert not answer.every("X-Evil")
    assert outside(server) == before


@on_local
@meets("beyond-paths")
def test_a_slash_that_is_encoded_makes_no_two_parts_of_one(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    name = repository.name.replace("/", "%2f")
    assert repository.client.get(f"/v2/{name}/manifests/v1").status == 400
    assert repository.client.get(f"{repository.base}%2fmanifests%2fv1").status in (400, 404)
    assert repository.client.get(f"{repository.base}/manifests%2fv1").status in (400, 404)
    assert repository.client.get(f"{repository.base}/manifests/v1").body == pushed.content


@on_local
@meets("beyond-paths")
def test_what_needs_no_encoding_may_be_encoded(repository: Repository) -> None:
    """`%76%31` is `v1`, and `sha256%3A…` what some clients make of a digest."""
    pushed = repository.push_image("v1")
    layer = pushed.document["layers"][0]["digest"]
    assert repository.get("manifests/%76%31").body == pushed.content
    assert repository.get(f"manifests/{pushed.digest.replace(':', '%3A')}").body == pushed.content
    assert repository.get(f"blobs/{layer.replace(':', '%3a')}").status == 200
    assert repository.client.get(repository.base.replace("test", "%74est") + "/tags/list").json()["tags"] == ["v1"]
