"""Many clients at once, on the same names and the same content."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.content import (
    EMPTY_JSON,
    KIB,
    MIB,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_LAYER,
    absent_digest,
    descriptor,
    digest_of,
    encode,
    image,
    random_bytes,
)
from tests.protocol.repository import Pushed, Repository, with_query
from tests.protocol.requirements import meets


def at_once(repository: Repository, count: int, work: Callable[[Repository, int], Any]) -> list[Any]:
    """`work` by so many clients, each with a connection of its own, which begin together."""
    start = threading.Barrier(count)

    def one(number: int) -> Any:
        with Client(repository.client.address) as client:
            client.get("/v2/")
            start.wait()
            return work(Repository(client, repository.name), number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@meets("upload-02", "beyond-concurrency")
@pytest.mark.parametrize(("count", "size"), [(200, 1000), (200, 200 * KIB), (20, 3 * MIB)])
def test_two_hundred_clients_push_one_blob(repository: Repository, count: int, size: int) -> None:
    """B17: whoever finishes gets 201, and no loser takes the winner's bytes away."""
    content = random_bytes(size)
    digest = digest_of(content)

    def push(mine: Repository, number: int) -> list[Answer]:
        if number % 3 == 0:
            return [mine.post_blob(content), mine.get(f"blobs/{digest}")]
        location = mine.start()
        if number % 3 == 1:
            return [mine.finish(location, digest, content), mine.get(f"blobs/{digest}")]
        mine.patch(location, content, chunked=True)
        return [mine.finish(location, digest), mine.get(f"blobs/{digest}")]

    for pushed, pulled in at_once(repository, count, push):
        assert pushed.status == 201
        assert pulled.status == 200
        assert pulled.body == content
    assert repository.get(f"blobs/{digest}").body == content


@meets("beyond-concurrency")
def test_clients_that_give_up_take_nothing_from_those_that_finish(repository: Repository) -> None:
    """B17."""
    content = random_bytes(600 * KIB)
    digest = digest_of(content)

    def push(mine: Repository, number: int) -> int:
        location = mine.start()
        if number % 2:
            return mine.finish(location, digest, content).status
        with mine.client.connect() as connection:
            target = with_query(location, f"digest={digest}")
            connection.begin("PUT", target, len(content), content[: len(content) * number // 40])
        return mine.client.delete(location).status

    statuses = at_once(repository, 40, push)
    assert set(statuses[1::2]) == {201}
    assert set(statuses[::2]) <= {204, 404}
    assert repository.get(f"blobs/{digest}").body == content


@meets("beyond-concurrency")
def test_clients_push_one_blob_to_many_repositories(repository: Repository) -> None:
    content = random_bytes(100 * KIB)
    digest = digest_of(content)

    def push(mine: Repository, number: int) -> tuple[int, bytes]:
        own = mine.sibling()
        status = own.post_blob(content).status
        body = own.get(f"blobs/{digest}").body
        assert own.delete(f"blobs/{digest}").status == 202
        assert own.get(f"blobs/{digest}").status == 404
        return status, body

    assert set(at_once(repository, 32, push)) == {(201, content)}


@meets("beyond-concurrency")
def test_clients_push_one_manifest(repository: Repository) -> None:
    """B17."""
    document = repository.new_image()
    content = encode(document)
    results = at_once(
        repository, 32, lambda mine, number: mine.put_manifest(f"v{number % 8}", content, OCI_IMAGE).status
    )
    assert set(results) == {201}
    assert repository.tags() == [f"v{number}" for number in range(8)]
    assert {repository.get(f"manifests/{tag}").body for tag in repository.tags()} == {content}


@meets("beyond-concurrency")
def test_a_tag_that_many_push_holds_one_of_theirs(repository: Repository) -> None:
    document = repository.new_image()
    contents = [encode({**document, "annotations": {"n": str(number)}}) for number in range(100)]
    known = {digest_of(content): content for content in contents}

    def push_and_pull(mine: Repository, number: int) -> None:
        for content in contents[number::10]:
            assert mine.put_manifest("latest", content, OCI_IMAGE).status == 201
            answer = mine.get("manifests/latest")
            assert answer.status == 200
            assert known[answer.header("Docker-Content-Digest")] == answer.body

    at_once(repository, 10, push_and_pull)
    final = repository.get("manifests/latest")
    assert known[final.header("Docker-Content-Digest")] == final.body
    assert repository.tags() == ["latest"]
    for digest, content in known.items():
        assert repository.get(f"manifests/{digest}").body == content


@meets("beyond-concurrency")
def test_reads_of_a_tag_never_go_back(repository: Repository) -> None:
    """B44: one client pushes in turn; every other sees what it pushes in that order."""
    document = repository.new_image()
    contents = [encode({**document, "annotations": {"n": str(number)}}) for number in range(80)]
    order = {digest_of(content): number for number, content in enumerate(contents)}
    assert repository.put_manifest("latest", contents[0], OCI_IMAGE).status == 201
    acknowledged = 0

    def work(mine: Repository, number: int) -> list[int]:
        nonlocal acknowledged
        if number == 0:
            for at, content in enumerate(contents):
                assert mine.put_manifest("latest", content, OCI_IMAGE).status == 201
                acknowledged = at
            return []
        seen = [0]
        while seen[-1] < len(contents) - 1:
            least = acknowledged
            at = order[mine.head("manifests/latest").header("Docker-Content-Digest")]
            assert at >= least, "an acknowledged push was not seen"
            seen.append(at)
        return seen

    for seen in at_once(repository, 5, work):
        assert seen == sorted(seen)


@meets("beyond-concurrency")
def test_a_tag_that_moves_while_its_old_manifest_is_deleted_is_not_lost(repository: Repository) -> None:
    """B13."""
    for round_number in range(15):
        old = repository.push_image("v1")
        document = repository.new_image(annotations={"round": str(round_number)})
        new = encode(document)

        def work(mine: Repository, number: int, old: Pushed = old, new: bytes = new) -> int:
            if number:
                return mine.put_manifest("v1", new, OCI_IMAGE).status
            return mine.delete(f"manifests/{old.digest}").status

        assert at_once(repository, 2, work) == [202, 201]
        assert repository.get("manifests/v1").body == new


@meets("beyond-concurrency")
def test_a_manifest_is_never_taken_without_its_blobs(repository: Repository) -> None:
    """B28: while one client pushes it, another takes a layer away: one of the two is refused."""
    repository.push_blob(EMPTY_JSON)
    for _ in range(20):
        layer = random_bytes(50)
        digest = repository.push_blob(layer)
        content = encode(image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER)]))

        def work(mine: Repository, number: int, digest: str = digest, content: bytes = content) -> int:
            if number:
                return mine.put_manifest("v1", content, OCI_IMAGE).status
            return mine.delete(f"blobs/{digest}").status

        deleted, pushed = at_once(repository, 2, work)
        assert (deleted, pushed) in ((202, 400), (405, 201))
        assert repository.get(f"blobs/{digest}").status == (404 if deleted == 202 else 200)


@meets("beyond-concurrency")
def test_referrers_that_come_at_once_are_all_listed(repository: Repository) -> None:
    absent = absent_digest()
    subject = {"mediaType": OCI_IMAGE, "digest": absent, "size": 1}
    repository.push_blob(EMPTY_JSON)
    empty = descriptor(EMPTY_JSON, OCI_EMPTY)

    def attach(mine: Repository, number: int) -> list[str]:
        documents = [image(empty, [empty], subject=subject, annotations={"n": f"{number}.{each}"}) for each in range(5)]
        return [mine.push_manifest(document).digest for document in documents]

    wanted = {digest for digests in at_once(repository, 40, attach) for digest in digests}
    assert len(wanted) == 200
    assert {each["digest"] for each in repository.referrers(absent)} == wanted


@meets("beyond-concurrency")
def test_a_blob_that_comes_and_goes_is_whole_or_absent(repository: Repository) -> None:
    content = random_bytes(100 * KIB)
    digest = digest_of(content)

    def work(mine: Repository, number: int) -> set[int]:
        statuses = set()
        for _ in range(15):
            if number % 4 == 0:
                statuses.add(mine.post_blob(content).status)
            elif number % 4 == 1:
                statuses.add(mine.delete(f"blobs/{digest}").status)
            elif number % 4 == 2:
                mounted = mine.request("POST", f"blobs/uploads/?mount={digest}", {"Content-Length": "0"})
                statuses.add(mounted.status)
            else:
                answer = mine.get(f"blobs/{digest}")
                assert answer.status == 404 or answer.body == content
                statuses.add(answer.status)
        return statuses

    allowed: list[set[int]] = [{201}, {202, 404}, {201, 202}, {200, 404}]
    for number, statuses in enumerate(at_once(repository, 8, work)):
        assert statuses <= allowed[number % 4], number
    assert repository.post_blob(content).status == 201
    assert repository.get(f"blobs/{digest}").body == content


@meets("beyond-concurrency")
def test_one_upload_that_two_finish_is_finished_once(repository: Repository) -> None:
    for size in (100, 300 * KIB) * 5:
        content = random_bytes(size)
        location = repository.start()
        repository.patch(location, content)

        def finish(mine: Repository, _: int, location: str = location, content: bytes = content) -> int:
            return mine.finish(location, digest_of(content)).status

        statuses = at_once(repository, 4, finish)
        assert statuses.count(201) == 1, statuses
        assert set(statuses) <= {201, 404, 409}
        assert repository.get(f"blobs/{digest_of(content)}").body == content
