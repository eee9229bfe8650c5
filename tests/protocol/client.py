"""A thin HTTP client: requests as they are written, over one kept connection."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from tests.protocol.answer import Answer
from tests.protocol.checks import check
from tests.protocol.connection import Closed, Connection
from tests.protocol.framing import LAST_CHUNK, chunk, cut

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | Iterable[bytes]

PIECE = 256 * 1024
"""Bytes sent at a time, between two looks for an early answer."""


class Client:
    """Checks of every answer what all answers have to keep."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._kept: Connection | None = None

    def request(
        self, method: str, target: str, headers: Headers = (), body: Body | None = None, *, chunked: bool = False
    ) -> Answer:
        """Sends one request and returns its answer.

        A body of bytes goes with its Content-Length unless `chunked`, or unless `headers` have one; pieces go chunked.
        """
        lines = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        named = {name.lower() for name, _ in lines}
        chunked = chunked or (body is not None and not isinstance(body, bytes))
        if body is not None and chunked:
            lines.append(("Transfer-Encoding", "chunked"))
        elif isinstance(body, bytes) and "content-length" not in named:
            lines.append(("Content-Length", str(len(body))))
        head = request_head(method, target, self.address, lines)
        return self._exchange(method, target, head, body, chunked)

    def get(self, target: str, headers: Headers = ()) -> Answer:
        return self.request("GET", target, headers)

    def head(self, target: str, headers: Headers = ()) -> Answer:
        return self.request("HEAD", target, headers)

    def delete(self, target: str) -> Answer:
        return self.request("DELETE", target)

    def connect(self) -> Connection:
        """A new connection, which is the caller's to close."""
        return Connection(self.address)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, method: str, target: str, head: bytes, body: Body | None, chunked: bool) -> Answer:
        connection, self._kept = self._kept or self.connect(), None
        try:
            connection.send_until_answered(_pieces(head, body, chunked))
            answer = connection.read(method)
        except Closed:
            connection.close()
            raise AssertionError(f"the server closed the connection without an answer to {method} {target}") from None
        except BaseException:
            connection.close()
            raise
        if answer.closes:
            connection.close()
        else:
            self._kept = connection
        check(method, target, answer)
        return answer


def request_head(method: str, target: str, address: tuple[str, int], headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A request line with its headers, and the empty line."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _pieces(head: bytes, body: Body | None, chunked: bool) -> Iterator[bytes]:
    if body is None:
        yield head
        return
    pieces = cut(body, PIECE) if isinstance(body, bytes) else iter(body)
    first = next(pieces, b"")
    yield head + (chunk(first) if chunked else first)
    for piece in pieces:
        yield chunk(piece) if chunked else piece
    if chunked:
        yield LAST_CHUNK
