"""HTTP/1.1 over a raw socket: lean enough that the client is not what is measured."""

import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.bench.errors import WrongAnswer

STALL_SECONDS = 120
HEAD_LIMIT = 64 << 10


@dataclass(frozen=True)
class Target:
    """Where a server listens, on loopback; `certificate` is what TLS clients trust, None without TLS."""

    port: int
    certificate: Path | None = None

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.authority}"

    def connect(self) -> socket.socket:
        """A connected blocking socket, its TLS handshake done; no progress for two minutes is an OSError."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=STALL_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Python's own time-outs make the descriptor non-blocking, which os.sendfile does not bear: the kernel's do not.
        plain.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            plain.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALL_SECONDS, 0))
        if self.certificate is None:
            return plain
        return ssl.create_default_context(cafile=self.certificate).wrap_socket(plain, server_hostname="127.0.0.1")

    def head(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The bytes of a request's head."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.authority}"]
        lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """The bytes of a whole request; methods that carry a body always say its length."""
        sized = dict(headers or {})
        if method in {"POST", "PUT", "PATCH"}:
            sized["Content-Length"] = str(len(body))
        return self.head(method, path, sized) + body


@dataclass(frozen=True)
class Answer:
    """An answer's status and headers (names in lower case), and what came of its body with them."""

    status: int
    headers: Mapping[str, str]
    start: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Answer":
        """From `data` that holds a whole head."""
        head, _, start = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(int(first[9:12]), {name.lower(): value.strip() for name, _, value in pairs}, start)

    @property
    def length(self) -> int:
        """The body's length. WrongAnswer: it is not stated (both servers state it for all that is measured)."""
        if "content-length" not in self.headers:
            raise WrongAnswer(f"an answer of status {self.status} states no Content-Length: {dict(self.headers)}")
        return int(self.headers["content-length"])

    @property
    def location(self) -> str:
        """Path and query of the Location, which one server gives relative and the other absolute."""
        parts = urlsplit(self.headers.get("location", ""))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def with_digest(location: str, digest: str) -> str:
    """An upload's location with the parameter that ends it."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


class Connection:
    """One keep-alive connection, used in turn; every request names the status that it demands."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.socket = target.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def ask(
        self,
        status: int,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[Answer, bytes]:
        """Send a request and read its whole answer. WrongAnswer: it has another status than `status`."""
        self.socket.sendall(self.target.request(method, path, headers, body))
        answer = self.read_head(status, f"{method} {path}", bodiless=method == "HEAD")
        content = b"" if method == "HEAD" else self.read_rest(answer)
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
            self.socket = self.target.connect()
        return answer, content

    def read_head(self, status: int, what: str, *, bodiless: bool = False) -> Answer:
        """The next answer up to its body. WrongAnswer: it has another status than `status`, or there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(HEAD_LIMIT)
            if not piece or len(data) > HEAD_LIMIT:
                raise WrongAnswer(f"{what}: the connection ended without an answer")
            data += piece
        answer = Answer.parse(data)
        if answer.status != status:
            body = "" if bodiless else self.read_rest(answer)[:300].decode("utf-8", "replace")
            raise WrongAnswer(f"{what}: status {answer.status} instead of {status}. {body}")
        return answer

    def read_rest(self, answer: Answer) -> bytes:
        """The answer's whole body."""
        if answer.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks(answer.start)
        pieces, missing = [answer.start], answer.length - len(answer.start)
        while missing > 0:
            piece = self.socket.recv(min(missing, 1 << 20))
            if not piece:
                raise WrongAnswer(f"a body ended {missing} bytes short")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _read_chunks(self, data: bytes) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in data:
                data += self._more()
            size_line, _, data = data.partition(b"\r\n")
            size = int(size_line, 16)
            while len(data) < size + 2:
                data += self._more()
            body, data = body + data[:size], data[size + 2 :]
            if not size:
                return body

    def _more(self) -> bytes:
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise WrongAnswer("a chunked body ended early")
        return piece
