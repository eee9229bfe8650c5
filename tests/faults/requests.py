"""Requests whose outcome may stay unknown, because the server can be killed under them."""

import http.client
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from tests.protocol.answer import Answer

PATIENCE = 60.0


class Unexpected(AssertionError):
    """An answer with another status than was demanded."""

    def __init__(self, request: str, answer: Answer) -> None:
        super().__init__(f"{request}: {answer}")
        self.status = answer.status


class Requester:
    """One client with one kept connection. Used by one thread."""

    def __init__(self, host_port: str) -> None:
        self._connection = http.client.HTTPConnection(host_port, timeout=PATIENCE)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """The answer, or None where the connection broke first. Pieces go chunked, unless `headers` has a length."""
        try:
            fields = dict(headers or {})
            chunked = not isinstance(body, bytes | None) and "Content-Length" not in fields
            self._connection.request(method, path, body, fields, encode_chunked=chunked)
            response = self._connection.getresponse()
            return Answer(response.status, response.reason, tuple(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None

    def demand(self, method: str, path: str, *statuses: int) -> Answer:
        """The answer, which must have one of these statuses."""
        answer = self.ask(method, path)
        assert answer is not None, f"no answer to {method} {path}"
        if answer.status not in statuses:
            raise Unexpected(f"{method} {path}", answer)
        return answer

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
