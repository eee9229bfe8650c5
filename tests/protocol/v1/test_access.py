"""v1 with accounts: tokens, and what they are good for."""

import time
from collections.abc import Iterator

import pytest

from tests.protocol.accounts import House, basic, house
from tests.protocol.forgeries import Forge
from tests.protocol.v1.docker import Docker, new_chain, new_image


@pytest.fixture(scope="module")
def people() -> Iterator[House]:
    with house() as people:
        yield people


def docker_of(people: House, name: str, account: str = "") -> Docker:
    return Docker(people.client(), name, basic(account) if account else "")


def test_one_exchange_of_name_and_password_for_a_token(people: House) -> None:
    docker = docker_of(people, "alice/v1", "alice")
    chain = new_chain()
    docker.push(chain)
    assert "access=write" in docker.token
    assert docker.pull() == chain  # write implies read
    assert "access=read" in docker.token
    answer = docker.tag("other", chain[0].id)
    assert answer.status == 401  # a token to read is none to write
    assert "Basic" in answer.header("WWW-Authenticate")


def test_basic_is_good_everywhere(people: House) -> None:
    docker = docker_of(people, "alice/basic", "alice")
    docker.push(new_chain(1))
    docker.token = basic("alice")
    assert docker.pull()
    docker.token = basic("alice")
    answer = docker.registry("DELETE", "repositories/alice/basic/tags/latest")
    assert answer.status == 200


def test_who_may_not_push_gets_no_token(people: House) -> None:
    stranger = docker_of(people, "alice/mine", "bob")
    assert stranger.index("PUT", "/", b"[]").status == 403
    nobody = docker_of(people, "alice/mine")
    answer = nobody.index("PUT", "/", b"[]")
    assert answer.status == 401
    assert answer.json() == {"error": "Requires authorization"}
    assert stranger.token == nobody.token == ""
    assert docker_of(people, "alice/mine", "nobody-such").index("PUT", "/", b"[]").status == 401


def test_a_token_is_good_for_its_repository_alone(people: House) -> None:
    first = docker_of(people, "alice/one", "alice")
    image = new_image()
    first.push([image])
    other = docker_of(people, "alice/two")
    other.token = first.token.replace("alice/one", "alice/two")
    assert other.tag("latest", image.id).status == 401
    assert other.registry("GET", "repositories/alice/two/tags").status == 401
    forged = docker_of(people, "alice/one")
    forged.token = 'Token signature=open,repository="alice/one",access=write'
    assert forged.tag("x", image.id).status == 401
    forged.token = 'Token repository="alice/one",access=write'
    assert forged.tag("x", image.id).status == 401


def test_what_is_private_is_hidden_as_what_is_not_there(people: House) -> None:
    owner = docker_of(people, "alice/secret", "alice")
    image = new_image()
    owner.push([image])
    for account, status in (("", 401), ("bob", 403)):
        for name in ("alice/secret", "alice/nothing"):
            stranger = docker_of(people, name, account)
            assert stranger.index("GET", "/images").status == status
            stranger.token = basic(account) if account else ""
            assert stranger.registry("GET", f"repositories/{name}/tags").status == status
    stranger = docker_of(people, "bob/x")
    stranger.token = basic("bob")
    assert stranger.image("GET", image.id, "layer").status == 404
    stranger.token = ""
    assert stranger.image("GET", image.id, "layer").status == 401
    header = {"Cookie": "orlop_v1=alice/secret"}
    assert stranger.image("GET", image.id, "layer", headers=header).status == 401
    assert (
        people.client().get("/v1/search?q=secret").status == 401
        or not people.client().get("/v1/search?q=secret").json()["results"]
    )


def test_anyone_gets_a_token_for_what_anyone_may_pull(people: House) -> None:
    owner = docker_of(people, "public/app", "root")
    chain = new_chain(2)
    owner.push(chain)
    nobody = docker_of(people, "public/app")
    assert nobody.pull() == chain
    assert "access=read" in nobody.token
    assert nobody.tag("x", chain[0].id).status == 401
    found = people.client().get("/v1/search?q=public/").json()["results"]
    assert [result["name"] for result in found] == ["public/app"]
    cached = nobody.image("GET", chain[0].id, "layer").header("Cache-Control")
    assert cached.startswith("public")
    private = docker_of(people, "alice/cached", "alice")
    private.push(new_chain(1))
    private.token = basic("alice")
    (image,) = private.pull()
    assert private.image("GET", image.id, "layer").header("Cache-Control").startswith("private")


def test_signing_in_as_docker_does(people: House) -> None:
    client = people.client()
    answer = client.request("POST", "/v1/users/", {"Content-Type": "application/json"}, b"{}")
    assert answer.body == b'"Username or email already exists"'
    assert people.client(basic("alice")).get("/v1/users/").json() == "OK"
    assert people.client(basic("alice", "wrong-password")).get("/v1/users/").status == 401
    assert client.get("/v1/users/").status == 401


def test_a_push_is_in_the_audit_log(people: House) -> None:
    docker = docker_of(people, "alice/audited", "alice")
    (image,) = new_chain(1)
    docker.push([image])
    entries = people.audit("?repository=alice/audited")
    assert ("image.push", image.id, "alice") in {(each["action"], each["object"], each["account"]) for each in entries}


def test_a_token_is_refused_when_it_has_expired_or_is_for_another_repository(people: House) -> None:
    """S43."""
    owner = docker_of(people, "alice/kept", "alice")
    image = new_image()
    owner.push([image])
    forge, now = Forge(people.data), int(time.time())

    def answered(name: str, **more: int) -> int:
        access = [{"type": "repository", "name": name, "actions": ["pull", "push"]}]
        signature = forge.token(sub="alice", access=access, **more)
        owner.token = f'Token signature={signature},repository="alice/kept",access=write'
        statuses = {
            owner.tag("other", image.id).status,
            owner.image("GET", image.id, "json").status,
            owner.registry("GET", "repositories/alice/kept/tags").status,
        }
        (status,) = statuses
        return status

    assert answered("alice/kept") == 200  # what is refused below is refused for what is said
    assert answered("alice/kept", iat=now - 900, nbf=now - 900, exp=now - 600) == 401
    assert answered("alice/else") == 401


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"])
def test_nobody_sends_clients_elsewhere(people: House, header: str) -> None:
    """S43."""
    client = people.client()
    value = "host=elsewhere.example" if header == "Forwarded" else "elsewhere.example"
    lines = [("Authorization", basic("alice")), ("X-Docker-Token", "true"), (header, value)]
    answer = client.request("PUT", "/v1/repositories/alice/led/", lines, b"[]")
    assert answer.header("X-Docker-Endpoints") == f"{client.address[0]}:{client.address[1]}"
    assert "elsewhere" not in str(answer.headers)


def test_the_address_of_private_images(people: House) -> None:
    """As registries 0.6.1 to 0.8.1 had it: for those alone that not everyone may read, and not to be kept."""
    for name, account, status in (("public/all", "root", 404), ("alice/own", "alice", 200)):
        docker = docker_of(people, name, account)
        image = new_image()
        docker.push([image])
        for part in ("json", "layer", "files"):
            answer = docker.registry("GET", f"private_images/{image.id}/{part}")
            assert answer.status == status
            assert "max-age" not in answer.header("Cache-Control")
        assert docker.registry("PUT", f"private_images/{image.id}/json", b"{}").status == 405
        assert docker.registry("GET", f"private_images/{image.id}/ancestry").status == 404
    assert docker_of(people, "alice/own").registry("GET", f"private_images/{image.id}/json").status == 401
