"""A client of v1: docker's push and pull, request by request, as versions 0.10 to 17.11 made them."""

import gzip
import hashlib
import io
import itertools
import json
import random
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tests.protocol.answer import Answer
from tests.protocol.client import Client, Headers
from tests.protocol.v1.sums import tarsum_of

_numbers = itertools.count(1)
_random = random.Random()


class Image(NamedTuple):
    """An image to push, or as it was pulled."""

    id: str
    json: bytes
    layer: bytes

    @property
    def parent(self) -> str | None:
        parent: str | None = json.loads(self.json).get("parent")
        return parent

    @property
    def payload(self) -> str:
        return "sha256:" + hashlib.sha256(self.json + b"\n" + self.layer).hexdigest()

    def tarsum(self, label: str = "tarsum+sha256") -> str:
        plain = gzip.decompress(self.layer) if self.layer[:2] == b"\x1f\x8b" else self.layer
        return tarsum_of(self.json, plain, label)


def new_id() -> str:
    return _random.randbytes(32).hex()


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def new_image(parent: str | None = None, layer: bytes | None = None, **more: Any) -> Image:
    """An image like no other; its layer is compressed, with one file."""
    number = next(_numbers)
    image_id = new_id()
    document = {
        "id": image_id,
        **({"parent": parent} if parent else {}),
        "created": f"2014-05-{number % 28 + 1:02}T10:00:00.5Z",
        "container_config": {"Cmd": ["/bin/sh", "-c", f"#(nop) ADD file{number}"]},
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "docker_version": "1.0.1",
        "architecture": "amd64",
        "os": "linux",
        **more,
    }
    content = json.dumps(document, indent=1).encode()  # the bytes count, as they are
    if layer is None:
        layer = gzip.compress(archive({f"file{number}": _random.randbytes(5000)}), mtime=0)
    return Image(image_id, content, layer)


def new_chain(length: int = 3) -> list[Image]:
    """Images on one another, the root first."""
    chain: list[Image] = []
    for _ in range(length):
        chain.append(new_image(chain[-1].id if chain else None))
    return chain


class Docker:
    """Speaks to one repository. `header`: how it signs in to the index, if at all."""

    def __init__(self, client: Client, name: str = "", header: str = "") -> None:
        self.client = client
        self.name = name or f"v1/app{next(_numbers)}-{_random.randbytes(4).hex()}"
        self.header = header
        self.token = ""
        self.twice = False
        """Whether it puts one more `Token` in front of the token, as some versions do."""

    def index(self, method: str, path: str, body: bytes | None = None, *, ask: bool = True) -> Answer:
        """A request to the index, by name and password; the token that comes is kept."""
        headers = {"X-Docker-Token": "true"} if ask else {}
        if self.header:
            headers["Authorization"] = self.header
        answer = self.client.request(method, f"/v1/repositories/{self.name}{path}", headers, body)
        for token in answer.every("X-Docker-Token"):
            self.token = token
        return answer

    def registry(self, method: str, path: str, body: Any = None, headers: Headers = ()) -> Answer:
        """A request to the registry, by the token."""
        lines = [*(headers.items() if isinstance(headers, dict) else headers)]
        if self.token:
            lines.append(("Authorization", f"Token {self.token}" if self.twice else self.token))
        return self.client.request(method, f"/v1/{path}", lines, body)

    def image(self, method: str, image_id: str, part: str, body: Any = None, headers: Headers = ()) -> Answer:
        return self.registry(method, f"images/{image_id}/{part}", body, headers)

    def put_json(self, image: Image, headers: Headers = ()) -> Answer:
        return self.image("PUT", image.id, "json", image.json, headers)

    def put_layer(self, image: Image) -> Answer:
        """In pieces, so without a length."""
        return self.image(
            "PUT", image.id, "layer", (image.layer[at : at + 8192] for at in range(0, len(image.layer), 8192))
        )

    def put_checksum(self, image: Image, headers: Headers | None = None) -> Answer:
        """The payload's, unless others are given."""
        sums = {"X-Docker-Checksum-Payload": image.payload} if headers is None else headers
        return self.image("PUT", image.id, "checksum", b"", sums)

    def tag(self, tag: str, image_id: str) -> Answer:
        return self.registry("PUT", f"repositories/{self.name}/tags/{tag}", json.dumps(image_id).encode())

    def announce(self, images: Sequence[Image]) -> None:
        listed = json.dumps([{"id": image.id, "Tag": "latest"} for image in images]).encode()
        answer = self.index("PUT", "/", listed)
        assert answer.status == 200, answer
        assert answer.json() == ""
        assert answer.header("X-Docker-Endpoints") == f"{self.client.address[0]}:{self.client.address[1]}"
        assert self.token

    def push_one(self, image: Image, *, by: str = "both") -> None:
        """JSON, layer, checksum; `by` which checksums: payload, tarsum or both."""
        answer = self.image("PUT", image.id, "json", image.json)
        if answer.status == 409 and answer.json() == {"error": "Image already exists"}:
            return
        assert answer.status == 200, answer
        assert answer.json() is True
        pieces = (image.layer[at : at + 1000] for at in range(0, len(image.layer), 1000))
        answer = self.image("PUT", image.id, "layer", pieces)
        assert answer.status == 200, answer
        sums = {"X-Docker-Checksum-Payload": image.payload} if by != "tarsum" else {}
        if by != "payload":
            sums["X-Docker-Checksum"] = image.tarsum()
        answer = self.image("PUT", image.id, "checksum", b"", sums)
        assert answer.status == 200, answer

    def push(self, images: Sequence[Image], *tags: str, by: str = "both") -> None:
        """The whole push, with the tags on the last image."""
        self.announce(images)
        with ThreadPoolExecutor(5) as pool:
            there = list(pool.map(self._is_there, [image.id for image in images]))
        for image, known in zip(images, there, strict=True):
            if not known:
                self.push_one(image, by=by)
        for tag in tags or ("latest",):
            answer = self.tag(tag, images[-1].id)
            assert answer.status == 200, answer
        answer = self.index("PUT", "/images", b"[]")
        assert answer.status == 204, answer

    def pull(self, tag: str = "latest") -> list[Image]:
        """The image that the tag names and its parents, the root first; layers in two parts, as when one breaks off."""
        answer = self.index("GET", "/images")
        assert answer.status == 200, answer
        answer = self.registry("GET", f"repositories/{self.name}/tags/{tag}")
        assert answer.status == 200, answer
        ancestry = self.image("GET", answer.json(), "ancestry").json()
        return [self._pull_one(image_id) for image_id in reversed(ancestry)]

    def _pull_one(self, image_id: str) -> Image:
        document = self.image("GET", image_id, "json")
        assert document.status == 200, document
        size = int(document.header("X-Docker-Size"))
        half = size // 2
        first = self.image("GET", image_id, "layer", headers={"Range": f"bytes=0-{half - 1}"}) if half else None
        rest = self.image("GET", image_id, "layer", headers={"Range": f"bytes={half}-"})
        assert rest.status == 206, rest
        assert rest.header("Content-Range") == f"bytes {half}-{size - 1}/{size}"
        return Image(image_id, document.body, (first.body if first is not None else b"") + rest.body)

    def _is_there(self, image_id: str) -> bool:
        with Client(self.client.address) as client:
            other = Docker(client, self.name)
            other.token = self.token
            return other.image("GET", image_id, "json").status == 200


def refused(answer: Answer, status: int, message: str = "") -> None:
    """Fails unless it is a refusal in the form of v1, with these very words if they are given."""
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/json", answer
    document = answer.json()
    assert set(document) == {"error"}, answer
    assert isinstance(document["error"], str), answer
    assert not message or document["error"] == message, answer
