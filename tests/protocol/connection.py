"""One TCP connection to the registry, for requests that no HTTP library would send."""

import contextlib
import io
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from tests.protocol.answer import Answer
from tests.protocol.framing import chunk

PATIENCE = 30.0
"""Seconds after which a silent server is a failure."""


class Closed(Exception):
    """The server closed the connection where an answer was due."""


class Connection:
    """Sends bytes as they are, and reads answers one by one."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=address[0])
        self._reader: io.BufferedReader = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def begin(self, method: str, target: str, declared: int | None, sent: bytes, *, underway: bool = False) -> None:
        """Sends a request's head and a part of its body; `declared` bytes are its Content-Length, None is chunked.

        `underway`: sends the body only when the registry asks for it, and thus has looked at everything else.
        """
        framing = "Transfer-Encoding: chunked" if declared is None else f"Content-Length: {declared}"
        expect = "Expect: 100-continue\r\n" if underway else ""
        self.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{framing}\r\n{expect}\r\n".encode())
        if underway:
            assert self.read_interim() == 100
        self.send(chunk(sent) if declared is None else sent)

    def send_until_answered(self, pieces: Iterable[bytes]) -> None:
        """Sends all pieces, or those that the server lets through before it answers or hangs up."""
        for piece in pieces:
            if select.select([self._socket], [], [], 0)[0]:
                return
            try:
                self._socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                return

    def read(self, method: str = "GET") -> Answer:
        """The next final answer. Closed: there is none."""
        interim: list[int] = []
        while True:
            try:
                line = self._reader.readline(65536)
            except ConnectionResetError as error:
                raise Closed from error
            if not line:
                raise Closed
            version, status, reason = line.decode("latin-1").rstrip("\r\n").split(" ", 2)
            assert version == "HTTP/1.1", line
            headers = self._headers()
            if not status.startswith("1"):
                break
            interim.append(int(status))
        return Answer(int(status), reason, headers, self._body(method, int(status), headers), tuple(interim))

    def read_streamed(self, size: int) -> Iterator[bytes]:
        """The body of an answer with status 200 and that Content-Length, piece by piece."""
        assert b" 200 " in self._reader.readline(65536)
        assert ("Content-Length", str(size)) in self._headers()
        while size:
            piece = self._reader.read1(min(size, 1 << 20))
            assert piece, f"{size} bytes are missing"
            size -= len(piece)
            yield piece

    def read_interim(self) -> int:
        """The status of a 1xx answer, which has no headers here."""
        status = int(self._reader.readline(65536).split(b" ")[1])
        assert self._reader.readline(65536) == b"\r\n"
        return status

    def read_all(self) -> bytes:
        """All bytes until the server ends the connection."""
        content = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := self._reader.read1(1 << 20):
                content += piece
        return bytes(content)

    def is_closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to say."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True

    def finish_sending(self) -> None:
        """Tells the server that nothing more will come, as a client does whose input was cut."""
        with contextlib.suppress(OSError):  # the server has ended the connection already
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._reader.close()
        self._socket.close()

    def reset(self) -> None:
        """Breaks the connection off with a RST, as a crashed client's machine does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _headers(self) -> tuple[tuple[str, str], ...]:
        headers = []
        while (line := self._reader.readline(65536)) != b"\r\n":
            assert line.endswith(b"\r\n"), f"a header line is cut: {line!r}"
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            headers.append((name, value))
        return tuple(headers)

    def _body(self, method: str, status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        assert len(lengths) == 1, headers
        body = self._reader.read(int(lengths[0]))
        assert len(body) == int(lengths[0]), f"the body is cut: {len(body)} of {lengths[0]} bytes"
        return body
