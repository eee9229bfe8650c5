"""A client that steps into every trap that collection under load has set for others. The numbers name known faults.

It alone writes to its repositories, so it knows what has to be there; layers it shares with all others.
"""

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.history import History, Key
from tests.faults.pusher import Pusher
from tests.protocol.answer import Answer
from tests.protocol.content import (
    OCI_CONFIG,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    descriptor,
    digest_of,
    encode,
    image,
    index,
)
from tests.torture.harness import LEASE
from tests.torture.pool import BASE_LAYERS, SELDOM

MOST_HELD = 10
NEARLY = 0.8
"""Of the time for which something is promised, so much is waited at most."""


RETAINED = "retained"
"""Repositories below this name keep nothing for long that no tag, index or subject keeps."""


class Held(NamedTuple):
    """A manifest that is there for certain, with what it needs."""

    repository: str
    digest: str
    children: tuple["Held", ...] = ()
    subject: str = ""
    """The digest of what it is about, where nothing else keeps it."""

    def at(self, repository: str) -> "Held":
        """The same in another repository."""
        return Held(repository, self.digest, tuple(child.at(repository) for child in self.children))


@dataclass
class Tally:
    """What all trappers have found."""

    refused_in_lease: int = 0
    live_deleted: int = 0
    late: int = 0
    """Pushes that came too late for what they were promised."""
    told: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def wrong(self, what: str) -> None:
        self.live_deleted += 1
        self.told.append(what)


class Trapper(Pusher):
    def __init__(self, host_port: str, history: History, seed: str, tally: Tally) -> None:
        super().__init__(host_port, history, seed)
        self.repositories = (*self.repositories, f"{RETAINED}/{self.repositories[0]}")  # type: ignore[assignment]
        self.tally = tally
        self.held: list[Held] = []
        self.count = itertools.count(1)

    def work(self, is_over: Callable[[], bool]) -> None:
        """Until it is told to stop, or something is wrong that makes what it knows worthless."""
        flows = (
            (self.push, 8), (self.push_again, 4), (self.mount, 3), (self.nest, 2), (self.attach, 2), (self.forget, 6),
            (self.retag, 2), (self.pull_some, 4), (self.upload_slowly, 1),
        )  # fmt: skip
        functions, weights = zip(*flows, strict=True)
        try:
            while not is_over() and self.alive:
                flow = self.random.choices(functions, weights)[0]
                if len(self.held) >= MOST_HELD:
                    flow = self.forget
                flow()
        except Exception:
            self.tally.wrong(traceback.format_exc())
        finally:
            self.requester.close()

    def push(self) -> None:
        """B05, B08: layers by a HEAD, where they are there, and soon a manifest that counts on it."""
        self._push(self._repository())

    def push_again(self) -> None:
        """B14, B19: what was just deleted comes back, here or elsewhere."""
        if (held := self._one_held()) and self._delete(held):
            self._pause(self.random.choice((0.0, 0.01, LEASE)))
            self._copy(held, self._repository())

    def mount(self) -> None:
        """What a manifest keeps in one repository is there for another."""
        held = self._one_held(images=True)
        if held is None:
            return
        target = self.random.choice([name for name in self.repositories if name != held.repository])
        promised = time.monotonic() + LEASE
        for digest in self._blobs(held):
            query = f"mount={digest}&from={held.repository}"
            begun = time.monotonic()
            with self._writing((Key("blob", target, digest), digest)) as attempt:
                answer = self._timed("POST", f"/v2/{target}/blobs/uploads/?{query}", b"")
                if answer is None or answer.status != 201:
                    attempt.outcome = "refused"
                    self.tally.wrong(f"mount of {digest}, which {held} keeps: {answer}")
                    return
                attempt.settle(answer)
            promised = min(promised, begun + LEASE)
        self._pause(self.random.uniform(0, NEARLY * (promised - time.monotonic())))
        self._put(target, self.history.contents[held.digest], OCI_IMAGE, promised, tag=self._tag(target))

    def nest(self) -> None:
        """B09: an index of an index of images; only the outermost has a tag."""
        repository, promised = self._repository(), time.monotonic() + LEASE
        pushed = [self._push(repository, tag="", hurry=True) for _ in range(2)]
        for tag in ("", self._tag(repository)):
            found = [child for child in pushed if child is not None]
            content = encode(index([self._descriptor(child) for child in found], annotations={"n": self._name()}))
            outer = (
                self._put(repository, content, OCI_INDEX, promised, tag=tag, children=found) if all(pushed) else None
            )
            if outer is None:
                self._drop(found)
                return
            pushed = [outer]

    def attach(self) -> None:
        """A referrer without a tag stays as long as its subject, and is listed."""
        if subject := self._one_held(images=True):
            attached = self._push(subject.repository, tag="", subject=self._descriptor(subject))
            if attached is None:
                return
            answer = self._timed("GET", f"/v2/{subject.repository}/referrers/{subject.digest}")
            listed = answer.json()["manifests"] if answer is not None and answer.status == 200 else []
            if attached.digest not in [item["digest"] for item in listed]:
                self.tally.wrong(f"{attached} is not listed as a referrer: {answer}")

    def forget(self) -> None:
        if held := self._one_held():
            self._delete(held)

    def retag(self) -> None:
        if held := self._one_held():
            content = self.history.contents[held.digest]
            media_type = self.history.media_types[held.digest]
            self._put(held.repository, content, media_type, time.monotonic() + LEASE, held=held,
                      tag=self._tag(held.repository))  # fmt: skip

    def pull_some(self) -> None:
        if held := self._one_held():
            self.pull(held)

    def upload_slowly(self) -> None:
        """B04: an upload that takes longer than a lease."""
        repository, content = self._repository(), self.random.randbytes(50_000)
        upload = self._start(repository, content)
        if upload is None:
            return
        for _ in range(3):
            self._patch(upload)
            self._pause(LEASE * 0.5)
        begun = time.monotonic()
        if not self._finish(upload):
            self.tally.wrong(f"an upload of {len(content)} bytes that took its time cannot be finished")
            return
        self._push(repository, layers=[(content, begun + LEASE)])

    def pull(self, held: Held) -> None:
        """All of it, as a client that has nothing."""
        answer = self._timed("GET", f"/v2/{held.repository}/manifests/{held.digest}")
        if answer is None or answer.status != 200 or answer.body != self.history.contents[held.digest]:
            self.tally.wrong(f"{held} is kept, and is not there: {answer}")
            return
        for digest in self._blobs(held):
            answer = self._timed("GET", f"/v2/{held.repository}/blobs/{digest}")
            if answer is None or answer.status != 200 or answer.body != self.history.contents[digest]:
                status = answer.status if answer is not None else "no answer"
                self.tally.wrong(f"{digest} of {held} is kept, and is not there: {status}")
        for child in held.children:
            self.pull(child)

    def _push(self, repository: str, *, tag: str | None = None, layers: Iterable[tuple[bytes, float]] = (),
              subject: dict[str, Any] | None = None, hurry: bool = False) -> Held | None:  # fmt: skip
        """An image with shared layers, a config of its own, and these; pulled at once."""
        parts = list(layers)
        config = encode({"os": "linux", "n": self._name()})
        contents = [config, self.random.choice(BASE_LAYERS), self.random.choice(SELDOM)]
        for content in contents:
            until = self._ensure(repository, content)
            if until is None:
                return None
            parts.append((content, until))
        promised = min(until for _, until in parts)
        if not hurry:
            self._pause(self.random.choice((0.0, 0.0, 0.01, NEARLY)) * (promised - time.monotonic()))
        more = {"subject": subject} if subject is not None else {}
        layer_parts = [content for content, _ in parts if content is not config]
        document = image(
            descriptor(config, OCI_CONFIG), [descriptor(content, OCI_LAYER) for content in layer_parts], **more
        )
        tag = self._tag(repository) if tag is None else tag
        about = subject["digest"] if subject is not None else ""
        held = self._put(repository, encode(document), OCI_IMAGE, promised, tag=tag, subject=about)
        if held is not None:
            self.pull(held)
        return held

    def _copy(self, held: Held, repository: str, tag: str | None = None) -> None:
        """The same content again, its innermost manifests first."""
        for child in held.children:
            self._copy(child, repository, "")
        promised = time.monotonic() + LEASE
        for digest in self._blobs(held):
            until = self._ensure(repository, self.history.contents[digest])
            if until is None:
                return
            promised = min(promised, until)
        content, media_type = self.history.contents[held.digest], self.history.media_types[held.digest]
        children = [child.at(repository) for child in held.children]
        tag = self._tag(repository) if tag is None else tag
        again = self._put(repository, content, media_type, promised, tag=tag, children=children)
        if again is None:
            self._drop(children)
        else:
            self.pull(again)

    def _ensure(self, repository: str, content: bytes) -> float | None:
        """As docker does: asks for a blob, and pushes it only where it is not there. Until when it is promised."""
        digest, begun = digest_of(content), time.monotonic()
        self.history.contents[digest] = content
        answer = self._timed("HEAD", f"/v2/{repository}/blobs/{digest}")
        if answer is not None and answer.status == 200:
            self.history.found(Key("blob", repository, digest), begun)
            return begun + LEASE / 2
        begun = time.monotonic()
        return begun + LEASE if self._push_blob(repository, content) else None

    def _put(self, repository: str, content: bytes, media_type: str, promised: float, *, tag: str = "",
             children: Iterable[Held] = (), held: Held | None = None, subject: str = "") -> Held | None:  # fmt: skip
        """A manifest; `promised` is until when what it needs is there."""
        digest = digest_of(content)
        before = len(self.history.surprises)
        if self._push_manifest(repository, content, media_type, [tag] if tag else []):
            new = held or Held(repository, digest, tuple(children), subject)
            self.held = [each for each in self.held if each[:2] != new[:2]]
            self.held.append(new)
            return new
        if len(self.history.surprises) > before:
            return None
        if time.monotonic() < promised:
            self.tally.refused_in_lease += 1
            self.tally.told.append(f"PUT of {digest} to {repository} was refused, {content.decode()[:1500]}")
        else:
            self.tally.late += 1
        return None

    def _delete(self, held: Held) -> bool:
        """With all that only it needs. What another index has stays."""
        key = Key("manifest", held.repository, held.digest)
        path = f"/v2/{held.repository}/manifests/{held.digest}"
        with self._writing((key, "")) as attempt:
            answer = self._timed("DELETE", path)
            attempt.settle(answer)
        is_retained = held.repository.startswith(RETAINED)
        if answer is None or answer.status not in ((202, 405, 404) if is_retained else (202, 405)):
            self.tally.wrong(f"{held} cannot be deleted: {answer}")
        if answer is None or answer.status == 405:
            return False
        self._drop([each for each in self.held if each[:2] == held[:2]])
        for child in held.children:
            self._delete(child)
        return True

    def _drop(self, gone: Iterable[Held]) -> None:
        """Counts on these no more; where a rule takes what is untagged, nor on what only they keep."""
        gone = list(gone)
        self.held = [each for each in self.held if each not in gone]
        retained = [each for each in gone if each.repository.startswith(RETAINED)]
        names = {each[:2] for each in retained}
        below = {child[:2] for each in retained for child in each.children}
        with_them = [each for each in self.held if each[:2] in below or (each.repository, each.subject) in names]
        if with_them:
            self._drop(with_them)

    def _tag(self, repository: str) -> str:
        """Tags move, but where that would let go of what they were on."""
        number = next(self.count)
        return f"only{number}" if repository.startswith(RETAINED) else f"t{number % 5}"

    def _blobs(self, held: Held) -> list[str]:
        document = self._document(held)
        parts = document.get("layers", []) + ([document["config"]] if "config" in document else [])
        return [part["digest"] for part in parts]

    def _document(self, held: Held) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.history.contents[held.digest])
        return document

    def _descriptor(self, held: Held) -> dict[str, Any]:
        content = self.history.contents[held.digest]
        return {"mediaType": self.history.media_types[held.digest], "digest": held.digest, "size": len(content)}

    def _one_held(self, *, images: bool = False) -> Held | None:
        found = [held for held in self.held if not (images and held.children)]
        return self.random.choice(found) if found else None

    def _name(self) -> str:
        return f"{self._seed} {next(self.count)}"

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def _timed(self, method: str, path: str, body: bytes | None = None) -> Answer | None:
        begun = time.monotonic()
        answer = self._ask(method, path, body)
        self.tally.seconds.append(time.monotonic() - begun)
        return answer
