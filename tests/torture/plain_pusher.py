"""A client that only pushes, in words that any registry understands."""

from tests.faults.pusher import Pusher
from tests.protocol.content import OCI_IMAGE


class PlainPusher(Pusher):
    """Blobs by POST and PUT or in chunks, images by tag or digest, and tags that move."""

    def run(self, *, most: int | None = None) -> None:
        steps = (
            (self.push_blob, 3),
            (self.push_chunks, 2),
            (self.push_image, 6),
            (self.push_index, 1),
            (self.retag, 3),
        )
        functions, weights = zip(*steps, strict=True)
        done = 0
        while self.alive and done != most:
            self.random.choices(functions, weights)[0]()
            done += 1
        self.requester.close()

    def push_image(self) -> None:
        repository = self._repository()
        content = self._image(repository)
        if content is not None:
            tags = self.random.sample(("latest", "v1", "v2"), self.random.randrange(2))
            self._push_manifest(repository, content, OCI_IMAGE, tags)

    def _push_blob(self, repository: str, content: bytes) -> bool:
        upload = self._start(repository, content)
        return upload is not None and self._finish(upload)
