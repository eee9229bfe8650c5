"""Whatever clients push, mount, tag and delete, in whatever order: every answer is the one that a model gives.

After the run the local store's database is deleted and made again from its tree, and every answer compared. Left out
are blobs that no manifest of their repository names: the tree does not know in which repository they were.
"""

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.faults.rebuild import rebuild
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import (
    DOCKER_IMAGE,
    DOCKER_LIST,
    OCI_CONFIG,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    absent_digest,
    descriptor,
    digest_of,
    encode,
)
from tests.protocol.every_answer import answers
from tests.protocol.framing import cut
from tests.protocol.model import Held, Repository
from tests.servers import OrlopServer

TAGS = ("latest", "v1", "_", "A-1.b")
ABSENT = absent_digest()
SIZES = (0, 1, 1000, 70_000, 300_000)
ALGORITHMS = st.sampled_from(["sha256", "sha512"])
ARTIFACT_TYPES = ("", "application/vnd.example.sbom", "application/vnd.example.signature")

_examples = itertools.count(1)


class Registry(RuleBasedStateMachine):
    """One example: repositories and content that no other example has, on the server that all share."""

    server: OrlopServer
    everything: dict[str, Repository]

    def __init__(self) -> None:
        super().__init__()
        self.client = Client(address_of(self.server))
        self.example = f"e{next(_examples):06}"
        names = [f"{self.example}/a", f"{self.example}/a/b", f"{self.example}/b"]
        self.repositories = {name: Repository() for name in names}
        self.everything.update(self.repositories)
        self.number = itertools.count(1)
        # Drawn from in the order of insertion: that of digests differs from one run of an example to the next.
        self.contents: dict[str, bytes] = {}
        self.manifests: dict[str, Held] = {}

    def teardown(self) -> None:
        try:
            self.read_lists()
            for name in self.repositories:
                self.read_repository(name)
        finally:
            self.client.close()

    @initialize()
    def begin_with_content(self) -> None:
        for size in SIZES:
            content = f"{self.example} {size} ".encode().ljust(size, b"x")[: max(size, 20)] if size else b""
            for algorithm in ("sha256", "sha512"):
                self.contents[digest_of(content, algorithm)] = content

    # Blobs

    @rule(data=st.data(), way=st.sampled_from(["post", "put", "patch", "chunked", "pieces"]))
    def push_blob(self, data: st.DataObject, way: str) -> None:
        name, repository = self._repository(data)
        digest = data.draw(st.sampled_from(list(self.contents)))
        answer = self._push(name, digest, self.contents[digest], way)
        assert answer.status == 201, answer
        assert answer.header("Location") == f"/v2/{name}/blobs/{digest}"
        repository.blobs[digest] = self.contents[digest]

    def _push(self, name: str, digest: str, content: bytes, way: str) -> Answer:
        base = f"/v2/{name}/blobs/uploads/"
        if way == "post":
            return self.client.request("POST", f"{base}?digest={digest}", body=content)
        started = self.client.request("POST", f"{base}?digest-algorithm={digest[:6]}", body=b"")
        location, rest = started.header("Location"), content
        if way == "patch":
            location, rest = self._patch(location, content, 0, len(content)), b""
        elif way == "chunked":
            answer = self.client.request("PATCH", location, body=cut(content, 5000))
            location, rest = answer.header("Location"), b""
        elif way == "pieces":
            third = len(content) // 3
            location = self._patch(location, content, 0, third)
            location, rest = self._patch(location, content, third, 2 * third), content[2 * third :]
        return self.client.request("PUT", f"{location}?digest={digest}", body=rest)

    def _patch(self, location: str, content: bytes, first: int, end: int) -> str:
        headers = {"Content-Range": f"{first}-{end - 1}"} if end > first else {}
        answer = self.client.request("PATCH", location, headers, content[first:end])
        assert answer.status == 202, answer
        assert answer.header("Range") == f"0-{max(0, end - 1)}"
        return answer.header("Location")

    @rule(data=st.data(), wrong=st.sampled_from([ABSENT, absent_digest("sha512")]))
    def push_with_wrong_digest(self, data: st.DataObject, wrong: str) -> None:
        name, _ = self._repository(data)
        content = self.contents[data.draw(st.sampled_from(list(self.contents)))]
        answer = self._push(name, wrong, content, data.draw(st.sampled_from(["post", "put", "patch"])))
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])

    @rule(data=st.data(), named=st.booleans())
    def mount(self, data: st.DataObject, named: bool) -> None:
        name, repository = self._repository(data)
        source_name, source = self._repository(data)
        digest = data.draw(st.sampled_from(list(self.contents)))
        # Only the empty blob is other examples' too: who else holds it is not this example's to say.
        named = named or not self.contents[digest]
        query = f"?mount={digest}" + (f"&from={quote(source_name, safe='')}" if named else "")
        answer = self.client.request("POST", f"/v2/{name}/blobs/uploads/{query}", body=b"")
        sources = [source] if named else list(self.everything.values())
        held = any(digest in candidate.blobs for candidate in sources)
        assert answer.status == (201 if held else 202), answer
        if held:
            repository.blobs[digest] = self.contents[digest]

    @rule(data=st.data())
    def delete_blob(self, data: st.DataObject) -> None:
        name, repository = self._repository(data)
        digest = data.draw(st.sampled_from(list(self.contents)))
        answer = self.client.delete(f"/v2/{name}/blobs/{digest}")
        if digest not in repository.blobs:
            assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])
        elif repository.needs(digest):
            assert answer.status == 405, answer
        else:
            assert answer.status == 202, answer
            del repository.blobs[digest]

    @rule(data=st.data())
    def read_blob(self, data: st.DataObject) -> None:
        name, repository = self._repository(data)
        self._read_blob(name, repository, data.draw(st.sampled_from(list(self.contents))))

    # Manifests and tags

    @rule(
        data=st.data(),
        kind=st.sampled_from([OCI_IMAGE, DOCKER_IMAGE, ""]),
        artifact_type=st.sampled_from(ARTIFACT_TYPES),
    )
    def push_image(self, data: st.DataObject, kind: str, artifact_type: str) -> None:
        """Of whatever blobs, whether the repository holds them or not."""
        name, repository = self._repository(data)
        likely = list(repository.blobs) or list(self.contents)
        blobs = st.one_of(st.sampled_from(likely), st.sampled_from(likely), st.sampled_from(list(self.contents)))
        config, layers = data.draw(blobs), data.draw(st.lists(blobs, max_size=3))
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "config": self._blob_descriptor(config, OCI_CONFIG),
            "layers": [self._blob_descriptor(layer, OCI_LAYER) for layer in layers],
        }
        if kind:
            document["mediaType"] = kind
        if artifact_type:
            document["artifactType"] = artifact_type
        self._push_manifest(data, name, repository, document, kind or data.draw(st.sampled_from(["", OCI_IMAGE])))

    @rule(data=st.data(), kind=st.sampled_from([OCI_INDEX, DOCKER_LIST]))
    def push_index(self, data: st.DataObject, kind: str) -> None:
        name, repository = self._repository(data)
        if self.manifests:
            likely = list(repository.manifests) or list(self.manifests)
            of_all = st.sampled_from(list(self.manifests))
            children = data.draw(
                st.lists(st.one_of(st.sampled_from(likely), st.sampled_from(likely), of_all), max_size=3)
            )
        else:
            children = []
        listed = [self._child_descriptor(child) for child in children]
        document = {"schemaVersion": 2, "mediaType": kind, "manifests": listed}
        self._push_manifest(data, name, repository, document, kind)

    def _push_manifest(
        self, data: st.DataObject, name: str, repository: Repository, document: dict[str, Any], header: str
    ) -> None:
        document["annotations"] = {"example": self.example, "number": str(next(self.number))}
        if data.draw(st.booleans()):
            subjects = st.sampled_from([ABSENT, *list(self.manifests)])
            document["subject"] = {"mediaType": OCI_IMAGE, "digest": data.draw(subjects), "size": 7}
        content = encode(document)
        media_type = document.get("mediaType") or header or OCI_IMAGE
        self._put(data, name, repository, Held(content, media_type, document), header)

    @precondition(lambda self: bool(self.manifests))
    @rule(data=st.data())
    def push_again(self, data: st.DataObject) -> None:
        """A manifest that was pushed before, here or elsewhere: it moves tags."""
        name, repository = self._repository(data)
        held = self.manifests[data.draw(st.sampled_from(list(self.manifests)))]
        self._put(data, name, repository, held, held.media_type)

    def _put(self, data: st.DataObject, name: str, repository: Repository, pushed: Held, header: str) -> None:
        digest = digest_of(pushed.content)
        possible = st.sampled_from([*TAGS, *(self._fallback_tag(subject) for subject in list(self.manifests)[:2])])
        tags = data.draw(st.lists(possible, max_size=2, unique=True))
        by_tag = len(tags) == 1 and data.draw(st.booleans())
        target = tags[0] if by_tag else digest + (f"?{'&'.join(f'tag={tag}' for tag in tags)}" if tags else "")
        headers = {"Content-Type": header} if header else {}
        answer = self.client.request("PUT", f"/v2/{name}/manifests/{target}", headers, pushed.content)
        if missing := repository.missing(pushed):
            assert (answer.status, set(answer.codes)) == (400, {"MANIFEST_BLOB_UNKNOWN"})
            assert [error["detail"]["digest"] for error in answer.json()["errors"]] == missing
            return
        assert answer.status == 201, answer
        assert answer.header("Docker-Content-Digest") == digest
        assert answer.every("OCI-Subject") == ([pushed.subject] if pushed.subject else [])
        assert answer.every("OCI-Tag") == ([] if by_tag else tags)
        repository.manifests[digest] = self.manifests[digest] = pushed
        repository.tags |= dict.fromkeys(tags, digest)

    @rule(data=st.data())
    def delete_tag(self, data: st.DataObject) -> None:
        name, repository = self._repository(data)
        tag = data.draw(st.sampled_from(TAGS))
        answer = self.client.delete(f"/v2/{name}/manifests/{tag}")
        assert answer.status == (202 if repository.tags.pop(tag, "") else 404), answer

    @precondition(lambda self: bool(self.manifests))
    @rule(data=st.data())
    def delete_manifest(self, data: st.DataObject) -> None:
        name, repository = self._repository(data)
        digest = data.draw(st.sampled_from(list(repository.manifests) or list(self.manifests)))
        answer = self.client.delete(f"/v2/{name}/manifests/{digest}")
        if digest not in repository.manifests:
            assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
        elif repository.needs(digest):
            assert answer.status == 405, answer
        else:
            assert answer.status == 202, answer
            repository.delete_manifest(digest)

    # Reading

    @rule(data=st.data(), count=st.integers(1, 4))
    def page_through(self, data: st.DataObject, count: int) -> None:
        name, repository = self._repository(data)
        if repository.manifests:
            pages = self._pages(f"/v2/{name}/tags/list?n={count}", lambda page: page["tags"], count)
            assert pages == sorted(repository.tags)
        subject = data.draw(st.sampled_from([ABSENT, *list(self.manifests)]))
        wanted = data.draw(st.sampled_from(ARTIFACT_TYPES))
        query = f"?n={count}" + (f"&artifactType={quote(wanted, safe='')}" if wanted else "")
        pages = self._pages(f"/v2/{name}/referrers/{subject}{query}", lambda page: page["manifests"], count)
        assert pages == repository.referrers(subject, wanted)

    @rule()
    def read_lists(self) -> None:
        for name, repository in self.repositories.items():
            answer = self.client.get(f"/v2/{name}/tags/list")
            if repository.manifests:
                assert answer.json() == {"name": name, "tags": sorted(repository.tags)}
            else:
                assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])
        known = sorted(name for name, repository in self.repositories.items() if repository.manifests)
        found = self.client.get(f"/v2/_catalog?n=10&last={self.example}").json()["repositories"]
        assert [name for name in found if name.startswith(self.example)] == known

    @rule(data=st.data())
    def read_everything(self, data: st.DataObject) -> None:
        self.read_repository(self._repository(data)[0])

    def read_repository(self, name: str) -> None:
        repository = self.repositories[name]
        for digest in self.contents:
            self._read_blob(name, repository, digest)
        for digest in self.manifests:
            self._read_manifest(name, digest, repository.manifests.get(digest))
            assert self.client.get(f"/v2/{name}/blobs/{digest}").status == 404
        for tag in TAGS:
            named = repository.tags.get(tag, "")
            self._read_manifest(name, tag, repository.manifests[named] if named else None)

    def _read_blob(self, name: str, repository: Repository, digest: str) -> None:
        answer, head = (self.client.request(method, f"/v2/{name}/blobs/{digest}") for method in ("GET", "HEAD"))
        if digest in repository.blobs:
            assert answer.status == head.status == 200
            assert answer.body == self.contents[digest]
            assert head.header("Content-Length") == str(len(answer.body))
        else:
            assert (answer.status, head.status, answer.codes) == (404, 404, ["BLOB_UNKNOWN"])

    def _read_manifest(self, name: str, reference: str, held: Held | None) -> None:
        path = f"/v2/{name}/manifests/{reference}"
        answer, head = (self.client.request(method, path) for method in ("GET", "HEAD"))
        if held is None:
            assert (answer.status, head.status, answer.codes) == (404, 404, ["MANIFEST_UNKNOWN"])
            return
        assert answer.status == head.status == 200, answer
        assert answer.body == held.content
        assert answer.header("Content-Type") == head.header("Content-Type") == held.media_type
        assert answer.header("Docker-Content-Digest") == digest_of(held.content)
        assert head.header("Content-Length") == str(len(held.content))

    def _pages(self, target: str, items: Callable[[Any], list[Any]], count: int) -> list[Any]:
        """All items of a list, page by page, as its links lead."""
        found: list[Any] = []
        while target:
            answer = self.client.get(target)
            assert answer.status == 200, answer
            page = items(answer.json())
            assert len(page) <= count
            found += page
            links = answer.every("Link")
            target = links[0].partition(">")[0].removeprefix("<") if links else ""
            assert not target or page
        return found

    def _repository(self, data: st.DataObject) -> tuple[str, Repository]:
        name = data.draw(st.sampled_from(sorted(self.repositories)))
        return name, self.repositories[name]

    def _blob_descriptor(self, digest: str, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest, "size": len(self.contents[digest])}

    def _child_descriptor(self, digest: str) -> dict[str, Any]:
        held = self.manifests[digest]
        more = {"artifactType": held.artifact_type} if held.artifact_type else {}
        return descriptor(held.content, held.media_type, **more)

    @staticmethod
    def _fallback_tag(digest: str) -> str:
        return digest.replace(":", "-")


def run(server: OrlopServer, examples: int) -> dict[str, Repository]:
    """All examples, and what the model holds afterwards."""
    everything: dict[str, Repository] = {}
    machine = type("Registry", (Registry,), {"server": server, "everything": everything, "__module__": __name__})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    return everything


EXAMPLES = [pytest.param(15), pytest.param(300, marks=[pytest.mark.full, pytest.mark.timeout(3600)])]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_answer_is_the_models_in_memory(examples: int) -> None:
    with OrlopServer(storage="memory", LOG_LEVEL="warning") as server:
        run(server, examples)
        assert "Traceback" not in server.log


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_answer_is_the_models_and_the_same_after_a_rebuild(examples: int) -> None:
    with OrlopServer(LOG_LEVEL="warning") as server:
        everything = run(server, examples)
        before = answers(server, everything, TAGS)
        assert len([told for told in before.values() if told]) == len(before) > 100
        server.stop()
        rebuild(server)
        server.start()
        after = answers(server, everything, TAGS)
        assert {key: told for key, told in after.items() if told != before[key]} == {}
        assert "Traceback" not in server.log
