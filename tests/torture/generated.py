"""Requests made by chance from good ones and from what has upset registries before. The seed decides all of it."""

import json
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from tests.protocol.bad_manifests import BAD_VALUES, bad_json, changed
from tests.protocol.content import OCI_IMAGE, OCI_INDEX, digest_of
from tests.protocol.framing import LAST_CHUNK, chunk
from tests.protocol.not_quite_http import AMBIGUOUS, BAD_LINES
from tests.protocol.repository import Pushed
from tests.protocol.tricks import TRICKS

Choice = TypeVar("Choice")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ODD_METHODS = ("OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G\xcbT", "A" * 300, "M-SEARCH", "*", "")
NUMBERS = (
    "0", "1", "-1", "+5", "1_000", "1e9", "0x10", "2147483648", "9223372036854775808", "1" * 5000, "", " 7", "7 ",
    "\u0665", "\u00b2", "1.5", "NaN", "null", "٣٤", "00012",
)  # fmt: skip
RANGES = (
    "bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-0,2-3", "bytes=99999999999999999999-", "bytes=-0", "bytes=a-b",
    "bytes=" + "0-1," * 3000, "items=0-1", "bytes=0-\u0665", "bytes", "=", "bytes=1_0-2_0", "0-1", "bytes 0-1/2", "-",
    "5-2", "0-", "99999999999999999999-99999999999999999999", "+0-+1", "0-1_0",
)  # fmt: skip
DIGESTS = (
    "sha256:", "sha256", ":", "md5:" + "a" * 32, "sha1:" + "a" * 40, "sha256:" + "A" * 64, "sha256:" + "a" * 63,
    "sha256:" + "a" * 65, "sha512:" + "a" * 64, "SHA256:" + "a" * 64, "sha256:" + "g" * 64, "sha256+b64:aaaa",
    "sha256:" + "a" * 64 + "%0a", "sha256:../../etc/passwd", "sha256:" + "\u0660" * 64,
)  # fmt: skip
HEADERS = (
    "Accept", "Range", "Content-Range", "Content-Length", "Transfer-Encoding", "Content-Type", "Content-Encoding",
    "If-None-Match", "If-Match", "If-Range", "Expect", "Connection", "Upgrade", "Host", "X-Forwarded-For",
    "X-Forwarded-Host", "Forwarded", "Authorization", "Cookie", "Origin", "Docker-Upload-UUID", "TE", "Trailer", "Via",
)  # fmt: skip
VALUES = (
    "*/*", "", "identity", "gzip", "chunked", "100-continue", "close", "keep-alive, upgrade", "h2c", "websocket",
    "\"x\"",
    "W/\"x\"", "Basic !!!", "Bearer " + "a." * 3000, "evil.example", "for=\"[::1]\"", "a" * 7000, "\xff\xfe", ";;;,,,",
    "application/vnd.oci.image.manifest.v1+json; charset=utf-8", "text/html", "x/y\tz", *RANGES, *NUMBERS,
)  # fmt: skip
PARAMETERS = (
    "digest", "mount", "from", "tag", "n", "last", "artifactType", "digest-algorithm", "limit", "cursor", "dry_run",
    "sort", "q", "_state", "ns", "next", "since",
)  # fmt: skip
PATHS = (
    "/v2/", "/v2/_catalog", "/v2/{name}/tags/list", "/v2/{name}/manifests/{tag}", "/v2/{name}/manifests/{manifest}",
    "/v2/{name}/blobs/{blob}", "/v2/{name}/blobs/uploads/", "/v2/{name}/blobs/uploads/{upload}",
    "/v2/{name}/referrers/{manifest}", "/api/v1/repositories", "/api/v1/repositories/{name}/-/tags",
    "/api/v1/repositories/{name}/-/tags/{tag}", "/api/v1/repositories/{name}/-/manifests/{manifest}", "/api/v1/me",
    "/api/v1/audit", "/api/v1/status", "/api/v1/openapi.json", "/metrics", "/livez", "/readyz", "/",
    "/token", "/v1/_ping",
)  # fmt: skip


class Generated(NamedTuple):
    """A request as bytes."""

    sent: bytes
    whole: bool
    """Whether it ends where its head says, so that an answer is due."""


class Generator:
    """Makes requests about a repository whose contents are known."""

    def __init__(self, seed: str, name: str) -> None:
        self._random = random.Random(seed)
        self._name = name

    def about(self, pushed: Pushed, upload: str) -> None:
        """From now on requests are made of this image, and this open upload; many will delete them."""
        self._pushed = pushed
        self._bad = list(bad_json(pushed.document).values())
        self._blob: str = pushed.document["layers"][0]["digest"]
        self._upload = upload

    def make(self) -> Generated:
        kinds: tuple[tuple[Callable[[], Generated], int], ...] = (
            (self._aimed, 8), (self._mutated, 8), (self._manifest, 4), (self._framed, 2), (self._nonsense, 1),
            (self._flipped, 2),
        )  # fmt: skip
        functions, weights = zip(*kinds, strict=True)
        return self._random.choices(functions, weights)[0]()

    def _aimed(self) -> Generated:
        """A good request with one thing wrong, where somebody reads it."""
        base = f"/v2/{self._name}"
        blob, upload = f"{base}/blobs/{self._blob}", f"{base}/blobs/uploads/{self._upload}"
        number, part, digest = self._one(NUMBERS), self._one(RANGES), self._one((*DIGESTS, *TRICKS))
        digest, number = self._encoded(digest), self._encoded(number)
        api, tag, content = "/api/v1/repositories", self._one((*TRICKS, *NUMBERS)), self._random.randbytes(50)
        cases: tuple[tuple[str, str, list[tuple[str, str]], bytes | None], ...] = (
            ("GET", blob, [("Range", part)], None),
            ("GET", blob, [("Range", f"bytes={number}-{self._one(NUMBERS)}"), ("If-Range", self._one(VALUES))], None),
            ("HEAD", blob, [("If-None-Match", self._one(VALUES))], None),
            ("GET", f"{base}/manifests/latest", [("Accept", self._one(VALUES))], None),
            ("GET", f"{base}/tags/list?n={number}&last={self._encoded(tag)}", [], None),
            ("GET", f"/v2/_catalog?n={number}&last={self._encoded(tag)}", [], None),
            ("GET", f"{base}/referrers/{digest}?artifactType={self._encoded(tag)}", [], None),
            ("GET", f"{api}?limit={number}&sort={self._encoded(tag)}&q={digest}&next={digest}", [], None),
            ("GET", f"{api}/{self._name}/-/tags?limit={number}&next={digest}&q={self._encoded(tag)}", [], None),
            ("POST", f"{base}/blobs/uploads/?digest={digest}", [], content),
            ("POST", f"{base}/blobs/uploads/?mount={digest}&from={self._encoded(tag)}", [], b""),
            ("POST", f"{base}/blobs/uploads/?digest-algorithm={self._encoded(tag)}", [], b""),
            ("PATCH", upload, [("Content-Range", part)], content),
            ("PATCH", upload, [("Content-Range", f"{number}-{self._one(NUMBERS)}")], content),
            ("PUT", f"{upload}?digest={digest}", [("Content-Range", part)], content),
            ("GET", upload, [("Range", part)], None),
            ("PUT", f"{base}/manifests/{self._pushed.digest}?tag={self._encoded(tag)}", [], self._pushed.content),
            ("DELETE", f"{base}/manifests/{digest}", [], None),
            ("DELETE", f"{base}/blobs/{digest}", [], None),
        )
        return self._request(*self._one(cases))

    def _mutated(self) -> Generated:
        """A good request with up to three things that are not."""
        method, path = self._one(METHODS), self._path()
        query, headers = self._query(), self._headers()
        body = self._body() if method in ("POST", "PUT", "PATCH") or self._now_and_then() else None
        if self._now_and_then():
            method = self._one(ODD_METHODS)
        target = path + (f"?{query}" if query else "")
        return self._request(method, target, headers, body)

    def _manifest(self) -> Generated:
        """A manifest with something wrong in it, or much."""
        choice = self._random.random()
        if choice < 0.3:
            body = self._one(self._bad)
        elif choice < 0.8:
            document = self._pushed.document
            for _ in range(self._random.randint(1, 3)):
                path, values = self._one(BAD_VALUES)
                try:
                    document = changed(document, path, self._one(values))
                except (KeyError, TypeError, IndexError):
                    break
            body = json.dumps(document).encode()
        else:
            body = self._flip(self._pushed.content)
        reference = self._one(("fuzzed", digest_of(body), self._pushed.digest, *DIGESTS[:4]))
        media_type = self._one((OCI_IMAGE, OCI_IMAGE, OCI_INDEX, "text/plain", "", "a" * 300))
        return self._request("PUT", f"/v2/{self._name}/manifests/{reference}", [("Content-Type", media_type)], body)

    def _framed(self) -> Generated:
        """A body whose end two readers may see in two places."""
        head = f"{self._one(METHODS)} {self._path()} HTTP/1.1\r\nHost: x\r\n".encode("latin-1", "replace")
        return Generated(head + self._one(list(AMBIGUOUS.values())), whole=False)

    def _nonsense(self) -> Generated:
        if self._random.random() < 0.5:
            return Generated(self._one(list(BAD_LINES.values())), whole=False)
        return Generated(self._random.randbytes(self._random.randrange(1, 3000)), whole=False)

    def _flipped(self) -> Generated:
        """A good request with some bytes changed, cut or doubled on the way."""
        sent = self._mutated().sent
        return Generated(self._flip(sent[:20_000]), whole=False)

    def _request(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes | None) -> Generated:
        named = {name.lower() for name, _ in headers}
        whole = not named & {"content-length", "transfer-encoding", "expect", "upgrade"} and bool(method)
        lines = [f"{method} {target} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers)]
        sent = b""
        if body is not None:
            if self._random.random() < 0.3:
                lines.append("Transfer-Encoding: chunked")
                cuts = sorted(self._random.randrange(len(body) + 1) for _ in range(3))
                pieces = [body[: cuts[0]], body[cuts[0] : cuts[1]], body[cuts[1] : cuts[2]], body[cuts[2] :]]
                sent = b"".join(map(chunk, pieces)) + LAST_CHUNK
            else:
                lines.append(f"Content-Length: {len(body)}")
                sent = body
        # Written as UTF-8, which no head may hold: digits of other scripts come as their bytes.
        return Generated("\r\n".join([*lines, "", ""]).encode() + sent, whole)

    def _path(self) -> str:
        values = {
            "name": self._name, "tag": "latest", "manifest": self._pushed.digest, "upload": self._upload,
            "blob": self._blob,
        }  # fmt: skip
        if self._now_and_then(0.4):
            part = self._one(tuple(values))
            tricks = [*TRICKS, *DIGESTS, "a" * 256, "A/B", "a//b", "-", "_"]
            values[part] = self._one(tricks)
        path = self._one(PATHS[:9] if self._random.random() < 0.7 else PATHS).format(**values)
        if self._now_and_then():
            at = self._random.randrange(len(path) + 1)
            path = path[:at] + self._one(("/", "//", "%00", "%2f", "?", "#", ";", "..", " ", "%", "\t")) + path[at:]
        return path

    def _query(self) -> str:
        if self._random.random() < 0.5:
            return ""
        values = [*NUMBERS, *DIGESTS, *TRICKS, self._name, self._pushed.digest, "latest", "true", "%", "&&", "a=b"]
        count = self._one((1, 1, 2, 3, 200))
        return "&".join(f"{self._one(PARAMETERS)}={self._encoded(self._one(values))}" for _ in range(count))

    def _headers(self) -> list[tuple[str, str]]:
        if self._now_and_then(0.3):
            return [self._one((
                ("Range", self._one(RANGES)), ("Range", self._one(RANGES)), ("Content-Range", self._one(RANGES)),
                ("Content-Length", self._one(NUMBERS)), ("Transfer-Encoding", self._one(VALUES)),
                ("Accept", self._one(VALUES)), ("Host", self._one(TRICKS)),
            ))]  # fmt: skip
        count = self._one((0, 0, 1, 1, 2, 3, 60))
        return [(self._one(HEADERS), self._one(VALUES)) for _ in range(count)]

    def _body(self) -> bytes:
        return self._one((
            b"", b"{}", self._pushed.content, self._random.randbytes(100), self._random.randbytes(70_000),
            *self._bad[:10],
        ))  # fmt: skip

    def _flip(self, content: bytes) -> bytes:
        changed_content = bytearray(content)
        for _ in range(self._random.randint(1, 6)):
            if not changed_content:
                break
            at = self._random.randrange(len(changed_content))
            choice = self._random.random()
            if choice < 0.5:
                changed_content[at] = self._random.randrange(256)
            elif choice < 0.7:
                del changed_content[at : at + self._random.randrange(1, 20)]
            elif choice < 0.9:
                changed_content[at:at] = changed_content[at : at + self._random.randrange(1, 50)]
            else:
                changed_content[at:at] = self._one((b"\r\n", b"\x00", b"\r\n\r\n", b"%", b"\xff", b":", b" "))
        return bytes(changed_content)

    def _encoded(self, text: str) -> str:
        return text if self._random.random() < 0.7 else "".join(f"%{byte:02x}" for byte in text.encode()[:500])

    def _now_and_then(self, chance: float = 0.15) -> bool:
        return self._random.random() < chance

    def _one(self, choices: Sequence[Choice]) -> Choice:
        return self._random.choice(choices)
