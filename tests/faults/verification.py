"""Whether a registry holds what its clients were told."""

import time
from collections.abc import Iterable

from tests.faults.history import ABSENT, History, Key, Upload, Write
from tests.faults.requests import Requester
from tests.protocol.answer import Answer
from tests.protocol.content import digest_of


class Wrong(AssertionError):
    """What a registry holds is none of what it may hold."""

    def __init__(self, key: Key, found: str, allowed: set[str], writes: list[Write]) -> None:
        super().__init__(f"{key} is {found or 'absent'}, not one of {allowed} after {writes}")
        self.key = key
        self.lost = found == ABSENT


class Damaged(AssertionError):
    """Content is served that nobody pushed there."""


class Verification:
    """Compares every answer with a history. What is found becomes the one value that is possible from then on."""

    def __init__(self, requester: Requester, history: History, *, blobs_may_be_unlinked: bool = False) -> None:
        """`blobs_may_be_unlinked`: after a rebuild, what no manifest of a repository names has lost its link to it."""
        self._requester = requester
        self._history = history
        self._blobs_may_be_unlinked = blobs_may_be_unlinked

    def check(self, keys: Iterable[Key] | None = None) -> None:
        """All registers, or these; then what the lists say."""
        for key in list(self._history.registers if keys is None else keys):
            found = self._look(key)
            allowed = self._history.registers[key].allowed()
            if found not in allowed and not (found == ABSENT and self._may_be_gone(key)):
                raise Wrong(key, found, allowed, self._history.registers[key].writes)
            self._history.registers[key].settle(found)
        for repository in self._history.repositories():
            self._check_lists(repository)

    def check_uploads(self, *, may_have_shrunk: bool = False) -> None:
        """Each open one holds what was acknowledged, goes on from there, and becomes the blob that was sent.

        `may_have_shrunk`: after a power cut it may hold less, as chunks are made durable only with the last one.
        """
        for upload in list(self._history.uploads.values()):
            self._resume(upload, may_have_shrunk)
            del self._history.uploads[upload.location]

    def _look(self, key: Key) -> str:
        if key.kind == "blob":
            return self._blob(key.repository, key.name)
        return self._manifest(key.repository, key.name)

    def _manifest(self, repository: str, reference: str) -> str:
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self._requester.demand("GET", path, 200, 404)
        head = self._requester.demand("HEAD", path, answer.status)
        if answer.status == 404:
            assert answer.codes == ["MANIFEST_UNKNOWN"], answer
            return ABSENT
        digest = answer.header("Docker-Content-Digest")
        if answer.body != self._history.contents.get(digest):
            raise Damaged(f"{path} has other bytes")
        assert answer.header("Content-Type") == self._history.media_types[digest]
        for header in ("Docker-Content-Digest", "Content-Type", "Content-Length"):
            assert head.header(header) == answer.header(header), path
        self._check_closure(repository, answer)
        return digest

    def _check_closure(self, repository: str, answer: Answer) -> None:
        document = answer.json()
        for child in document.get("manifests", []):
            self._requester.demand("HEAD", f"/v2/{repository}/manifests/{child['digest']}", 200)
        for part in (*document.get("layers", []), *([document["config"]] if "config" in document else [])):
            head = self._requester.demand("HEAD", f"/v2/{repository}/blobs/{part['digest']}", 200)
            assert int(head.header("Content-Length")) == part["size"]

    def _blob(self, repository: str, digest: str) -> str:
        path = f"/v2/{repository}/blobs/{digest}"
        answer = self._requester.demand("GET", path, 200, 404)
        key, asked = Key("blob", repository, digest), time.monotonic()
        head = self._requester.demand("HEAD", path, answer.status, 404)
        if answer.status == 404:
            assert answer.codes == ["BLOB_UNKNOWN"], answer
            return ABSENT
        if head.status == 404:
            assert self._may_be_gone(key), f"HEAD says 404 of {path}, and GET 200"
            return ABSENT
        self._history.found(key, asked)
        if answer.body != self._history.contents[digest]:
            raise Damaged(f"{path} has other bytes ({len(answer.body)})")
        assert head.header("Content-Length") == answer.header("Content-Length")
        return digest

    def _may_be_gone(self, key: Key) -> bool:
        may_be = self._blobs_may_be_unlinked or self._history.may_be_collected(key)
        return may_be and key.kind == "blob" and not self._is_named(key)

    def _is_named(self, key: Key) -> bool:
        """Whether a manifest that the repository holds names this blob."""
        contents = (self._history.contents[name] for name in self._held("manifest", key.repository))
        return any(key.name.encode() in content for content in contents)

    def _held(self, kind: str, repository: str) -> list[str]:
        keys = self._history.keys(kind, repository)
        return sorted(key.name for key in keys if self._history.value_of(key))

    def _check_lists(self, repository: str) -> None:
        """Where every register of a kind has one value, the list is exactly that."""
        manifests = self._history.keys("manifest", repository)
        tags = self._history.keys("tag", repository)
        if any(self._history.value_of(key) is None for key in (*manifests, *tags)):
            return
        is_known = bool(self._held("manifest", repository))
        answer = self._requester.demand("GET", f"/v2/{repository}/tags/list", 200 if is_known else 404)
        assert not is_known or answer.json()["tags"] == self._held("tag", repository)
        catalog = self._requester.demand("GET", f"/v2/_catalog?n=1&last={repository[:-1]}", 200).json()["repositories"]
        assert (repository in catalog) == is_known

    def _resume(self, upload: Upload, may_have_shrunk: bool) -> None:
        held = self._bytes_of(upload)
        if not held:
            assert upload.closing, f"the upload {upload.location} is gone"
            return
        assert may_have_shrunk or upload.acknowledged <= max(held), f"of {upload.acknowledged} bytes it holds {held}"
        assert min(held) <= upload.sent, f"of {upload.sent} bytes that were sent it holds {held}"
        digest = digest_of(upload.content)
        key = Key("blob", upload.repository, digest)
        with self._history.writing((key, digest)) as attempt:
            answers = [self._finish(upload, digest, min(held))]
            if not attempt.settle(answers[0]):
                # It held one byte and not none; or it has found out by itself that it holds less than it was told to.
                held = self._bytes_of(upload)
                answers += [self._finish(upload, digest, offset) for offset in sorted(held, reverse=True)]
            finished = [answer for answer in answers if answer is not None and answer.status == 201]
            if not finished and may_have_shrunk:
                # What came after the last acknowledgement cannot be told from zeros: it is given up, and pushed anew.
                assert min(held) > upload.acknowledged, f"{upload.location}, {held}, can't be finished: {answers}"
                self._requester.demand("DELETE", upload.location, 204)
                return
            assert finished, f"{upload.location}, {held}, can't be finished: {answers}"
            attempt.settle(finished[0])
        assert self._look(key) == digest or self._may_be_gone(key), f"{key} is not what was sent"

    def _bytes_of(self, upload: Upload) -> set[int]:
        """How many bytes it may hold; none if it is gone. The range 0-0 is said of one byte and of none."""
        answer = self._requester.demand("GET", upload.location, 204, 404)
        if answer.status == 404:
            return set()
        last = int(answer.header("Range").removeprefix("0-"))
        return {last + 1} if last else {0, 1}

    def _finish(self, upload: Upload, digest: str, held: int) -> Answer | None:
        rest = upload.content[held:]
        headers = {"Content-Range": f"{held}-{len(upload.content) - 1}"} if rest else {}
        return self._requester.ask("PUT", f"{upload.location}?digest={digest}", rest, headers)
