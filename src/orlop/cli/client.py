"""Asking a server: where it is, one request, and what can be wrong with either."""

import contextlib
import functools
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import click

from orlop import __version__
from orlop.cli.credentials import authorization
from orlop.domain.errors import OrlopError

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT = "http://127.0.0.1:5000"
TIMEOUT = 60.0
"""Seconds without a byte from the server."""
PAGE = 1000
PIECE = 64 * 1024

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?")


class ServerError(OrlopError):
    """The server cannot be asked, or refuses. `code` is the API's, empty where there was no answer of its kind."""

    message = "the server does not answer"

    def __init__(self, message: str, code: str = "", context: object = None) -> None:
        super().__init__(message, detail=context)
        self.code = code


class Where(NamedTuple):
    """A repository or tag as a person writes it: `[HOST[:PORT]/]NAME[:TAG]`."""

    host: str
    """Empty where none was written."""
    name: str
    tag: str
    """Empty where none was written."""
    digest: str = ""
    """Of an image that is named by it."""

    @property
    def reference(self) -> str:
        """What follows the name in an address."""
        return self.digest or self.tag

    @property
    def plain(self) -> str:
        """Without the host."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


class Client:
    """One server, by the address of its root."""

    def __init__(self, server: str) -> None:
        """ServerError: the address cannot be one."""
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or _HOST.fullmatch(parts.netloc) is None or parts.query:
            raise ServerError(f"{server} is no address of a server: write http://HOST[:PORT] or https://HOST[:PORT]")
        self.server = server.rstrip("/")
        # Proxies are for what is elsewhere.
        local = _LOOPBACK.fullmatch(parts.netloc) is not None
        self._host = parts.netloc
        # A password that crosses the network in clear is everybody's.
        self._may_sign_in = local or parts.scheme == "https"
        self._opener = build_opener(ProxyHandler({})) if local else build_opener()

    def get(self, path: str, /, **parameters: str) -> dict[str, Any]:
        """The document at a path. Empty parameters are left out."""
        return self._ask("GET", f"{path}?{_query(parameters)}")

    @contextlib.contextmanager
    def download(self, path: str, /, **parameters: str) -> Iterator[Iterator[bytes] | None]:
        """The bytes at a path in pieces; None where there is a document in their place."""
        with self._asked("GET", f"{path}?{_query(parameters)}", "*/*") as answer:
            is_document = answer.headers.get_content_type() == "application/json"
            yield None if is_document else self._pieces(answer)

    def delete(self, path: str, /, **parameters: str) -> dict[str, Any]:
        """What came of it."""
        return self._ask("DELETE", f"{path}?{_query(parameters)}")

    def items(self, path: str, limit: int | None, /, **parameters: str) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page; `limit` at most."""
        page = self._ask("GET", f"{path}?{_query({'n': str(min(limit or PAGE, PAGE)), **parameters})}")
        return itertools.islice(self.items_of(page), limit)

    def items_of(self, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The items of a page and of those that follow it."""
        while True:
            items = page.get("items")
            if not isinstance(items, list):
                raise ServerError(self._strange())
            yield from items
            following = page.get("next")
            if not isinstance(following, str) or not following.startswith("/"):  # else it may lead to another server
                return
            page = self._ask("GET", following)

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        with self._asked(method, path, "application/json") as answer:
            try:
                document = json.loads(answer.read())
            except (OSError, HTTPException) as error:
                raise ServerError(self._unreachable(error)) from error
            except ValueError as error:
                raise ServerError(self._strange()) from error
        if not isinstance(document, dict):
            raise ServerError(self._strange())
        return document

    def _pieces(self, answer: HTTPResponse) -> Iterator[bytes]:
        """The body, and a ServerError where it ends too early."""
        while piece := self._piece(answer):
            yield piece
        if answer.length:
            raise ServerError(f"{self.server} has cut the file short: {answer.length} bytes are missing")

    def _piece(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.read1(PIECE)
        except (OSError, HTTPException) as error:
            raise ServerError(self._unreachable(error)) from error

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, accept: str) -> Iterator[HTTPResponse]:
        """The answer, closed after the block; ServerError where there is none, or a refusal."""
        headers = {"Accept": accept, "User-Agent": f"orlop/{__version__}"}
        header = authorization(self._host, os.environ) if self._may_sign_in else None
        if header is not None:
            headers["Authorization"] = header
        request = Request(self.server + path, method=method, headers=headers)
        try:
            answer = self._opener.open(request, timeout=TIMEOUT)
        except HTTPError as error:
            raise self._refusal(error) from error
        except (OSError, HTTPException) as error:
            raise ServerError(self._unreachable(error)) from error
        with answer:
            yield answer

    def _refusal(self, error: HTTPError) -> ServerError:
        try:
            problem = json.loads(error.read())
            detail = problem["detail"]
            if error.code == 401:
                detail += f": sign in with docker login {self._host}, or podman login {self._host}"
            return ServerError(detail, problem["code"], problem.get("context"))
        except (OSError, ValueError, KeyError, TypeError):
            return ServerError(f"{self._strange()} (it says {error.code} {error.reason})")

    def _unreachable(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, URLError) else error
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return f"cannot reach {self.server} ({told}): start it with `orlop serve`, or name another with --server"

    def _strange(self) -> str:
        return f"{self.server} does not answer as Orlop does: name another server with --server"


def _query(parameters: dict[str, str]) -> str:
    return urlencode({name: value for name, value in parameters.items() if value})


def server_option(function: Function) -> Function:
    """Adds `--server`; the command gets `server`, None where nothing says which."""
    option = click.option(
        "--server",
        metavar="URL",
        envvar="ORLOP_SERVER",
        help=f"The server to ask.  [environment: ORLOP_SERVER; default: {DEFAULT}]",
    )
    return option(function)


json_option = functools.partial(click.option, "--json", "as_json", is_flag=True, help="Answer as JSON.")()


def parse_where(text: str) -> Where:
    """Docker's way: what stands before the first `/` is a host if it has a dot or a colon, or is `localhost`."""
    host, slash, rest = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "", text
    name, _, tag = rest.partition(":")
    return Where(host, name, tag)


def client_for(server: str | None, where: Where | None = None) -> Client:
    """The client of the server that a reference names, else of `server`, else of the default.

    A host that `server` names too is asked as that says; this machine over HTTP, others over HTTPS.
    """
    host = where.host if where is not None else ""
    if not host or (server is not None and urlsplit(server).netloc == host):
        return Client(server or DEFAULT)
    return Client(f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}")
