"""A client that pushes, tags and deletes as it likes, and writes down what it was told."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.faults.history import ABSENT, Attempt, History, Key, Upload
from tests.faults.requests import Requester
from tests.protocol.answer import Answer
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_INDEX, OCI_LAYER, digest_of, encode, image, index
from tests.protocol.repository import with_query

SHARED = "shared/app"
TAGS = ("latest", "v1", "_v2")
MOST_OPEN = 4
SIZES = (0, 1, 100, 4096, 65536, 65537, 300_000, 1_500_000)


class Pusher:
    """Works in repositories of its own, and on the tags of one that all pushers share."""

    def __init__(
        self, host_port: str, history: History, seed: str, *, pool: Sequence[bytes] = (), deletes: int = 1
    ) -> None:
        """`pool`: content that comes up again and again, also elsewhere. `deletes`: how much more often it deletes."""
        self.pool = pool
        self.deletes = deletes
        self.requester = Requester(host_port)
        self.history = history
        self.random = random.Random(seed)
        self.repositories = (f"pusher-{seed.split('/')[-1]}/a", f"pusher-{seed.split('/')[-1]}/b/c")
        self.alive = True
        self._number = 0
        self._seed = seed

    def run(self, *, most: int | None = None) -> None:
        """Works until the server is gone, or for that many steps."""
        steps = (
            (self.push_blob, 3), (self.push_chunks, 3), (self.leave_open, 2), (self.go_on, 2), (self.cancel, 1),
            (self.push_image, 6), (self.push_index, 1), (self.retag, 3), (self.push_shared, 3),
            (self.delete_tag, 2 * self.deletes), (self.delete_manifest, 2 * self.deletes),
            (self.delete_blob, 2 * self.deletes),
        )  # fmt: skip
        functions, weights = zip(*steps, strict=True)
        done = 0
        while self.alive and done != most:
            self.random.choices(functions, weights)[0]()
            done += 1
        self.requester.close()

    def push_blob(self) -> None:
        self._push_blob(self._repository(), self._content())

    def push_chunks(self) -> None:
        """An upload in up to four chunks, the last of them perhaps with the closing PUT."""
        upload = self._start(self._repository(), self._content())
        if upload is None:
            return
        for _ in range(self.random.randrange(4)):
            self._patch(upload)
        self._finish(upload)

    def leave_open(self) -> None:
        if len(self._open()) < MOST_OPEN:
            upload = self._start(self._repository(), self._content())
            if upload is not None:
                self._patch(upload)

    def go_on(self) -> None:
        if uploads := self._open():
            upload = self.random.choice(uploads)
            if self.random.random() < 0.5:
                self._patch(upload)
            else:
                self._finish(upload)

    def cancel(self) -> None:
        if uploads := self._open():
            upload = self.random.choice(uploads)
            upload.closing = True
            answer = self._ask("DELETE", upload.location)
            if answer is not None and answer.status == 204:
                del self.history.uploads[upload.location]

    def push_image(self) -> None:
        """An image with its blobs, under a tag or by its digest, and sometimes with more tags at once."""
        repository = self._repository()
        content = self._image(repository)
        if content is None:
            return
        tags = self.random.sample(TAGS, self.random.randrange(3))
        self._push_manifest(repository, content, OCI_IMAGE, tags)

    def push_index(self) -> None:
        repository = self._repository()
        children = self._present("manifest", repository)
        if children:
            chosen = self.random.sample(children, min(2, len(children)))
            documents = [
                {"mediaType": OCI_IMAGE, "digest": key.name, "size": len(self.history.contents[key.name])}
                for key in chosen
                if self.history.media_types[key.name] == OCI_IMAGE
            ]
            self._number += 1
            content = encode(index(documents, annotations={"number": f"{self._seed} {self._number}"}))
            self._push_manifest(repository, content, OCI_INDEX, self.random.sample(TAGS, 1))

    def retag(self) -> None:
        repository = self._repository()
        if manifests := self._present("manifest", repository):
            digest = self.random.choice(manifests).name
            tags = self.random.sample(TAGS, 1)
            self._push_manifest(repository, self.history.contents[digest], self.history.media_types[digest], tags)

    def push_shared(self) -> None:
        """A tag that other pushers write, too."""
        content = self._image(SHARED)
        if content is not None:
            self._push_manifest(SHARED, content, OCI_IMAGE, self.random.sample(TAGS, 1))

    def delete_tag(self) -> None:
        repository = self._repository()
        if tags := self._present("tag", repository):
            key = self.random.choice(tags)
            with self._writing((key, ABSENT)) as attempt:
                attempt.settle(self._ask("DELETE", f"/v2/{repository}/manifests/{key.name}"))

    def delete_manifest(self) -> None:
        """With the tags on it. Refused where an index needs it."""
        repository = self._repository()
        if manifests := self._present("manifest", repository):
            key = self.random.choice(manifests)
            values = {tag: self.history.value_of(tag) for tag in self.history.keys("tag", repository)}
            if None in values.values():
                return
            tags = [tag for tag, value in values.items() if value == key.name]
            with self._writing((key, ABSENT), *((tag, ABSENT) for tag in tags)) as attempt:
                attempt.settle(self._ask("DELETE", f"/v2/{repository}/manifests/{key.name}"))

    def delete_blob(self) -> None:
        """Refused where a manifest needs it."""
        repository = self._repository()
        if blobs := self._present("blob", repository):
            key = self.random.choice(blobs)
            with self._writing((key, ABSENT)) as attempt:
                attempt.settle(self._ask("DELETE", f"/v2/{repository}/blobs/{key.name}"))

    def _image(self, repository: str) -> bytes | None:
        """A new image's manifest, once its blobs are there."""
        config, layer = encode({"os": "linux", "number": self.random.random()}), self._content()
        if not (self._push_blob(repository, config) and self._push_blob(repository, layer)):
            return None
        return encode(
            image(
                {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
                [{"mediaType": OCI_LAYER, "digest": digest_of(layer), "size": len(layer)}],
            )
        )

    def _push_manifest(self, repository: str, content: bytes, media_type: str, tags: list[str]) -> bool:
        digest = self._remember(content)
        self.history.media_types[digest] = media_type
        reference, more = digest, [f"tag={tag}" for tag in tags]
        if len(tags) == 1:
            reference, more = tags[0], []
        path = f"/v2/{repository}/manifests/{reference}" + (f"?{'&'.join(more)}" if more else "")
        changes = [(Key("manifest", repository, digest), digest)]
        changes += [(Key("tag", repository, tag), digest) for tag in tags]
        with self._writing(*changes) as attempt:
            return attempt.settle(self._ask("PUT", path, content, {"Content-Type": media_type}))

    def _push_blob(self, repository: str, content: bytes) -> bool:
        digest = self._remember(content)
        with self._writing((Key("blob", repository, digest), digest)) as attempt:
            return attempt.settle(self._ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content))

    def _start(self, repository: str, content: bytes) -> Upload | None:
        answer = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
        if answer is None or answer.status != 202:
            return None
        self._remember(content)
        upload = Upload(repository, _path_of(answer), content)
        self.history.uploads[upload.location] = upload
        return upload

    def _patch(self, upload: Upload) -> None:
        """The next chunk: with its length, or chunked as docker sends it."""
        first = upload.acknowledged
        last = self.random.randint(first, len(upload.content))
        if first == last or upload.broken:
            return
        chunk = upload.content[first:last]
        upload.sent = last
        if self.random.random() < 0.5:
            answer = self._ask("PATCH", upload.location, chunk, {"Content-Range": f"{first}-{last - 1}"})
        else:
            answer = self._ask("PATCH", upload.location, iter([chunk[:1000], chunk[1000:]]) if chunk[1000:] else chunk)
        upload.broken = answer is None or answer.status != 202
        if answer is not None and answer.status == 202:
            upload.acknowledged = last
            self._move(upload, _path_of(answer))
            if answer.header("Range") != f"0-{last - 1}":
                self.history.surprises.append(f"PATCH {first}-{last - 1}: {answer}")

    def _move(self, upload: Upload, location: str) -> None:
        """Other registries give another address after each chunk."""
        if location != upload.location:
            del self.history.uploads[upload.location]
            upload.location = location
            self.history.uploads[location] = upload

    def _finish(self, upload: Upload) -> bool:
        if upload.broken:
            return False
        digest = digest_of(upload.content)
        rest = upload.content[upload.acknowledged :]
        upload.sent, upload.closing = len(upload.content), True
        with self._writing((Key("blob", upload.repository, digest), digest)) as attempt:
            finished = attempt.settle(self._ask("PUT", with_query(upload.location, f"digest={digest}"), rest))
        if finished:
            del self.history.uploads[upload.location]
        return finished

    def _ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> Answer | None:
        if not self.alive:
            return None
        answer = self.requester.ask(method, path, body, headers)
        if answer is None:
            self.alive = False
        elif answer.status >= 500:
            self.history.surprises.append(f"{method} {path}: {answer}")
        return answer

    @contextmanager
    def _writing(self, *changes: tuple[Key, str]) -> Iterator[Attempt]:
        with self.history.writing(*changes) as attempt:
            yield attempt

    def _remember(self, content: bytes) -> str:
        digest = digest_of(content)
        self.history.contents[digest] = content
        return digest

    def _open(self) -> list[Upload]:
        return [
            upload
            for upload in list(self.history.uploads.values())
            if upload.repository in self.repositories and not upload.closing and not upload.broken
        ]

    def _present(self, kind: str, repository: str) -> list[Key]:
        """What is there for certain."""
        return [key for key in self.history.keys(kind, repository) if self.history.value_of(key)]

    def _repository(self) -> str:
        return self.random.choice(self.repositories)

    def _content(self) -> bytes:
        if self.pool and self.random.random() < 0.5:
            return self.random.choice(self.pool)
        return self.random.randbytes(self.random.choice(SIZES))


def _path_of(answer: Answer) -> str:
    """The address that an answer gives, without a host."""
    address = urlsplit(answer.header("Location"))
    return address.path + (f"?{address.query}" if address.query else "")
