"""The loads that rows are made of: each prepares a server, checks that it answers rightly, then loads it."""

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bench import clients, leases, seeds, streams, wrk
from tests.bench.connection import Connection, Target, with_digest
from tests.bench.contents import MANIFEST_TYPE, MIB, UPLOAD, Blob, Payload, Source, config, layer, manifest
from tests.bench.errors import WrongAnswer
from tests.bench.processes import Outcome, run_together

WARM_UP_SECONDS = 1.0
PUSHES_PER_SECOND = 8_000  # more than any server here takes, so that no load runs dry
SMALL_BLOB = 4096
ACCOUNT = b"bench:bench-password"
"""As `htpasswd` beside this has it."""
PUSH_REPOSITORY = "bench/push"


@dataclass(frozen=True)
class Ground:
    """What a load stands on: a running server, a folder for its own files, and the source of large bodies."""

    target: Target
    data: Path
    folder: Path
    source: Source | None

    def payload(self, size: int) -> Payload:
        assert self.source is not None, "a row that uploads must say that it needs the source"
        return self.source.payload(size)


class Load(Protocol):
    """What a row measures."""

    def prepare(self, ground: Ground) -> None:
        """Put there what is missing, check answers in full, and warm up."""

    def run(self, ground: Ground, seconds: float) -> Outcome:
        """Load the server, for about `seconds` where the amount is free. WrongAnswer: the run is void."""


@dataclass(frozen=True)
class Wanted:
    """A path and a check of what is answered there."""

    path: str
    check: Callable[[bytes], bool]


def by_digest(digest: str) -> Callable[[bytes], bool]:
    return lambda body: f"sha256:{hashlib.sha256(body).hexdigest()}" == digest


@dataclass(frozen=True)
class Gets:
    """GETs of paths in turn, by wrk."""

    wanted: Callable[[], Sequence[Wanted]]
    clients: int

    def prepare(self, ground: Ground) -> None:
        headers = self._headers(ground)
        with Connection(ground.target) as connection:
            for wanted in self.wanted():
                _, body = connection.ask(200, "GET", wanted.path, headers)
                if not wanted.check(body):
                    raise WrongAnswer(f"GET {wanted.path} answers something else than was pushed: {body[:200]!r}")
        self.run(ground, WARM_UP_SECONDS)

    def run(self, ground: Ground, seconds: float) -> Outcome:
        paths = [wanted.path for wanted in self.wanted()]
        headers = self._headers(ground)
        with Connection(ground.target) as connection:
            smallest = min(len(connection.ask(200, "GET", path, headers)[1]) for path in paths)
        list_file = ground.folder / "paths"
        authorization = headers.get("Authorization", "")
        return wrk.get(ground.target, paths, smallest, self.clients, seconds, list_file, authorization)

    def _headers(self, ground: Ground) -> dict[str, str]:
        return {"Accept": MANIFEST_TYPE}


@dataclass(frozen=True)
class SignedInGets(Gets):
    """`Gets` with a token of the token service, which is fetched once, as a client does."""

    def _headers(self, ground: Ground) -> dict[str, str]:
        names = {wanted.path.removeprefix("/v2/").partition("/manifests/")[0] for wanted in self.wanted()}
        query = "&".join(["service=orlop", *[f"scope=repository:{name}:pull" for name in sorted(names)]])
        with Connection(ground.target) as connection:
            basic = {"Authorization": f"Basic {base64.b64encode(ACCOUNT).decode()}"}
            _, body = connection.ask(200, "GET", f"/token?{query}", basic)
        return {"Accept": MANIFEST_TYPE, "Authorization": f"Bearer {json.loads(body)['token']}"}


@dataclass(frozen=True)
class Heads:
    """HEADs of blobs in turn, each checked for its status, by our own client (wrk cannot: it awaits a body)."""

    repository_blobs: Callable[[], Sequence[tuple[str, Blob]]]
    clients: int

    def prepare(self, ground: Ground) -> None:
        with Connection(ground.target) as connection:
            for repository, blob in self.repository_blobs()[:200]:
                path = f"/v2/{repository}/blobs/{blob.digest}"
                answer, _ = connection.ask(200, "HEAD", path)
                if answer.length != len(blob.content) or answer.headers["docker-content-digest"] != blob.digest:
                    raise WrongAnswer(f"HEAD {path} answers {dict(answer.headers)}")
        self._load(ground, WARM_UP_SECONDS)

    def run(self, ground: Ground, seconds: float) -> Outcome:
        return self._load(ground, seconds)

    def _load(self, ground: Ground, seconds: float) -> Outcome:
        paths = [f"/v2/{repository}/blobs/{blob.digest}" for repository, blob in self.repository_blobs()]
        requests = itertools.cycle([ground.target.head("HEAD", path) for path in paths])

        def talk(tally: clients.Tally) -> Sequence[clients.Conversation]:
            return [_heads(requests, tally) for _ in range(self.clients)]

        return run_together([clients.task(ground.target, talk, seconds)])


def _heads(requests: Iterator[bytes], tally: clients.Tally) -> clients.Conversation:
    for request in requests:
        head = yield request
        clients.expect(head, b"200")
        tally.done += 1


@dataclass(frozen=True)
class DueHeads(Heads):
    """HEADs that each find their lease due, on a server whose leases last a second and are renewed at its half.

    There are so many blobs that a round over them takes longer than that; the database shows that all were renewed.
    """

    def run(self, ground: Ground, seconds: float) -> Outcome:
        begun = time.time()
        outcome = self._load(ground, seconds)
        count = len(self.repository_blobs())
        if count / outcome.rate < seeds.LEASE_SECONDS / 2:
            raise WrongAnswer(f"a round of {count} HEADs took {count / outcome.rate:.2f} s: not every lease was due")
        renewed, expected = leases.renewed_since(ground.data, begun), min(count, outcome.amount)
        if renewed < expected:
            raise WrongAnswer(f"{renewed} leases were renewed by HEADs of {expected} blobs: they were not due")
        return outcome


@dataclass(frozen=True)
class BlobPushes:
    """POST and PUT of small blobs, none like another."""

    clients: int

    def prepare(self, ground: Ground) -> None:
        self.run(ground, WARM_UP_SECONDS)

    def run(self, ground: Ground, seconds: float) -> Outcome:
        shared = hashlib.shake_128(b"small").digest(SMALL_BLOB - 32)
        state = hashlib.sha256(shared)
        nonce = time.monotonic_ns()

        def tails() -> Iterator[tuple[bytes, str]]:
            for number in range(round(PUSHES_PER_SECOND * seconds)):
                tail = b"%016x%016x" % (nonce, number)
                whole = state.copy()
                whole.update(tail)
                yield shared + tail, f"sha256:{whole.hexdigest()}"

        def talk(tally: clients.Tally) -> Sequence[clients.Conversation]:
            blobs = iter(list(tails()))  # hashed before the clock starts
            return [_blob_pushes(ground.target, blobs, tally) for _ in range(self.clients)]

        return run_together([clients.task(ground.target, talk, seconds)])


def _blob_pushes(target: Target, blobs: Iterator[tuple[bytes, str]], tally: clients.Tally) -> clients.Conversation:
    post = target.request("POST", f"/v2/{PUSH_REPOSITORY}/blobs/uploads/")
    headers = {"Content-Type": streams.OCTETS}
    for content, digest in blobs:
        head = yield post
        clients.expect(head, b"202")
        head = yield target.request("PUT", with_digest(clients.location_of(head), digest), headers, content)
        clients.expect(head, b"201")
        tally.done += 1


@dataclass(frozen=True)
class ManifestPushes:
    """PUTs of manifests, none like another and each with a tag of its own, whose blobs are there."""

    clients: int

    def prepare(self, ground: Ground) -> None:
        seeds.push_blobs(ground.target, PUSH_REPOSITORY, _pushed_blobs())
        self.run(ground, WARM_UP_SECONDS)

    def run(self, ground: Ground, seconds: float) -> Outcome:
        configuration, *layers = _pushed_blobs()
        before, _, after = manifest(configuration, layers, "NUMBER").content.partition(b"NUMBER")
        nonce = time.monotonic_ns()
        numbers = itertools.count()

        def talk(tally: clients.Tally) -> Sequence[clients.Conversation]:
            names = (b"%x-%x" % (nonce, number) for number in numbers)
            return [_manifest_pushes(ground.target, names, before, after, tally) for _ in range(self.clients)]

        return run_together([clients.task(ground.target, talk, seconds)])


def _pushed_blobs() -> list[Blob]:
    return [config("push"), layer("push 1", SMALL_BLOB), layer("push 2", SMALL_BLOB)]


def _manifest_pushes(
    target: Target, names: Iterator[bytes], before: bytes, after: bytes, tally: clients.Tally
) -> clients.Conversation:
    headers = {"Content-Type": MANIFEST_TYPE}
    for name in names:
        path = f"/v2/{PUSH_REPOSITORY}/manifests/{name.decode()}"
        head = yield target.request("PUT", path, headers, before + name + after)
        clients.expect(head, b"201")
        tally.done += 1


@dataclass(frozen=True)
class Downloads:
    """GETs of the large blob, whole or by ranges of `piece` bytes, on `count` connections at once."""

    count: int
    size: int
    piece: int
    rounds: int

    def _path(self, ground: Ground) -> str:
        assert ground.source is not None
        return f"/v2/{seeds.LARGE_REPOSITORY}/blobs/{ground.source.large_digest}"

    def prepare(self, ground: Ground) -> None:
        assert ground.source is not None
        streams.verify(ground.target, self._path(ground), self.size, ground.source.large_digest)

    def run(self, ground: Ground, seconds: float) -> Outcome:
        task = streams.download(ground.target, self._path(ground), self.size, self.piece, self.rounds)
        return run_together([task] * self.count)


@dataclass(frozen=True)
class Uploads:
    """Uploads of 512 MiB, none like another, on `count` connections at once."""

    count: int
    chunked: bool

    def prepare(self, ground: Ground) -> None:
        seeds.push_blobs(ground.target, PUSH_REPOSITORY, [layer("warm-up", MIB)])

    def run(self, ground: Ground, seconds: float) -> Outcome:
        payloads = [ground.payload(UPLOAD) for _ in range(self.count)]
        outcome = run_together(
            [streams.upload(ground.target, PUSH_REPOSITORY, payload, chunked=self.chunked) for payload in payloads]
        )
        with Connection(ground.target) as connection:
            for payload in payloads:
                answer, _ = connection.ask(200, "HEAD", f"/v2/{PUSH_REPOSITORY}/blobs/{payload.digest}")
                if answer.length != UPLOAD:
                    raise WrongAnswer(f"an upload of {UPLOAD} bytes is there with {answer.length}")
        return outcome
