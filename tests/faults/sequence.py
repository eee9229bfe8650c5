"""One client that does each thing once, in order: what a fault is put on, call by call."""

from tests.faults.history import ABSENT, History, Key
from tests.faults.pusher import Pusher
from tests.protocol.content import OCI_IMAGE, OCI_INDEX, encode, index


class Sequence(Pusher):
    """Goes on after an answer of 5xx, and ends when the server is gone."""

    def __init__(self, host_port: str, history: History, seed: str) -> None:
        super().__init__(host_port, history, seed)
        self.repository = f"sequence-{seed}/app"
        self.repositories = (self.repository, self.repository)

    def run(self, *, most: int | None = None) -> None:
        with self.requester:
            for step in (self._blobs, self._uploads, self._images, self._index, self._deletes):
                step()

    def _blobs(self) -> None:
        self._push_blob(self.repository, self.random.randbytes(100))
        self._push_blob(self.repository, self.random.randbytes(100_000))

    def _uploads(self) -> None:
        for chunks in (0, 1, 3):
            upload = self._start(self.repository, self.random.randbytes(700_000))
            if upload is not None:
                for _ in range(chunks):
                    self._patch(upload)
                self._finish(upload)
        self.leave_open()
        self.leave_open()
        self.cancel()

    def _images(self) -> None:
        for tags in (["latest"], ["latest"], ["v1", "_v2"], []):
            content = self._image(self.repository)
            if content is not None:
                self._push_manifest(self.repository, content, OCI_IMAGE, tags)

    def _index(self) -> None:
        children = [
            {"mediaType": OCI_IMAGE, "digest": key.name, "size": len(self.history.contents[key.name])}
            for key in self._present("manifest", self.repository)
        ]
        self._push_manifest(self.repository, encode(index(children[:2])), OCI_INDEX, ["index"])

    def _deletes(self) -> None:
        for tag in ("v1", "index"):
            key = Key("tag", self.repository, tag)
            with self._writing((key, ABSENT)) as attempt:
                attempt.settle(self._ask("DELETE", f"/v2/{self.repository}/manifests/{tag}"))
        for _ in range(3):
            self.delete_manifest()
            self.delete_blob()
