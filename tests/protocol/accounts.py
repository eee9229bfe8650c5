"""A registry with accounts: its server, the people and robots in it, and how they sign in."""

import base64
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt

from orlop.auth.accounts import Accounts, Made
from orlop.cli.store import COMMAND_LINE, open_accounts
from orlop.config import load
from orlop.domain.access import Scope
from tests.protocol.answer import Answer
from tests.protocol.client import Body, Client, Headers
from tests.protocol.conftest import TROUBLE, address_of
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

ADMIN, PEOPLE, GROUP, MEMBERS = "root", ("alice", "bob", "carol"), "team", ("alice", "bob")
"""Who is in every registry that these tests open. `carol` belongs to nobody."""

RULES = (
    "signed-in may all on {account}/**",
    "group:team may pull, push on team/**",
    "anyone may pull on public/**",
)


class SignedIn(Client):
    """A client that shows the same credentials in each request; none where `header` is empty."""

    def __init__(self, address: tuple[str, int], header: str = "") -> None:
        super().__init__(address)
        self.header = header

    def request(
        self, method: str, target: str, headers: Headers = (), body: Body | None = None, *, chunked: bool = False
    ) -> Answer:
        lines = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if self.header:
            lines.append(("Authorization", self.header))
        return super().request(method, target, lines, body, chunked=chunked)


class House:
    """A running registry, and its accounts as an operator changes them."""

    def __init__(self, data: Path, server: OrlopServer, htpasswd: Path | None, stack: contextlib.ExitStack) -> None:
        self.data = data
        self.server = server
        self.htpasswd = htpasswd
        self._stack = stack

    @contextlib.contextmanager
    def accounts(self) -> Iterator[Accounts]:
        """The database itself, as commands beside the server open it."""
        with accounts_in(self.data, self.htpasswd) as accounts:
            yield accounts

    def client(self, header: str = "") -> SignedIn:
        """It is closed with the registry."""
        return self._stack.enter_context(SignedIn(address_of(self.server), header))

    def by_password(self, name: str) -> SignedIn:
        return self.client(basic(name))

    def repository(self, name: str, header: str = "") -> Repository:
        """That one, as an admin sees it unless `header` says who looks."""
        return Repository(self.client(header or basic(ADMIN)), name)

    def new_token(self, account: str, *scopes: str, lifetime: int | None = None) -> Made:
        """An access token as `orlop token create` makes it, good for `lifetime` milliseconds."""
        with self.accounts() as accounts:
            return accounts.create_token(
                COMMAND_LINE, account, scopes=tuple(map(Scope.parse, scopes)), lifetime=lifetime
            )

    def audit(self, query: str = "") -> list[dict[str, Any]]:
        """What the audit log tells an admin: one page of it, the latest first."""
        with SignedIn(address_of(self.server), basic(ADMIN)) as client:
            answer = client.get(f"/api/v1/audit{query}")
        assert answer.status == 200, answer
        items = answer.json()["items"]
        assert isinstance(items, list)
        return items


def password_of(name: str) -> str:
    return f"the password of {name}"


def basic(name: str, secret: str = "") -> str:
    """An Authorization header; without a secret by the right password."""
    return "Basic " + base64.b64encode(f"{name}:{secret or password_of(name)}".encode()).decode()


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


def ask_token(client: Client, *scopes: str, **parameters: str) -> Answer:
    """The token service's answer to a GET, as docker and podman ask."""
    query = [("service", "orlop"), *(("scope", scope) for scope in scopes), *parameters.items()]
    return client.get(f"/token?{urlencode(query)}")


def issued(client: Client, *scopes: str) -> str:
    """A token of the token service for these scopes."""
    answer = ask_token(client, *scopes)
    assert answer.status == 200, answer
    token = answer.json()["token"]
    assert isinstance(token, str)
    return token


def scope_of(name: str, actions: str = "pull,push,delete") -> str:
    return f"repository:{name}:{actions}"


def htpasswd_line(name: str, password: str = "") -> str:
    """With a hash that is quick to check."""
    hashed = bcrypt.hashpw((password or password_of(name)).encode(), bcrypt.gensalt(4)).decode()
    return f"{name}:{hashed}\n"


def eventually(happens: Callable[[], bool], seconds: float = 3.0) -> None:
    """Fails unless that comes true in time: other processes' changes are noticed a little later."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def accounts_in(data: Path, htpasswd: Path | None = None) -> Iterator[Accounts]:
    environment = {"ORLOP_ACCESS_HTPASSWD": str(htpasswd)} if htpasswd else {}
    with open_accounts(load(None, environment, {"data": str(data)}), make=True) as accounts:
        yield accounts


@contextlib.contextmanager
def house(
    rules: tuple[str, ...] = RULES,
    *,
    htpasswd: str = "",
    arguments: tuple[str, ...] = (),
    expected: tuple[str, ...] = (),
    **settings: str,
) -> Iterator[House]:
    """A registry with an admin, three people and a group, while the block lasts.

    `htpasswd`: what such a file holds. Without rules, they and the mode are left to a file that `arguments` name. The
    server's log must hold no trouble at the end but lines with the words of `expected`.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orlop-test-")))
        data, listed = folder / "data", folder / "htpasswd" if htpasswd else None
        if listed is not None:
            listed.write_text(htpasswd)
            settings["ACCESS_HTPASSWD"] = str(listed)
        if rules:
            settings |= {"ACCESS_MODE": "accounts", "ACCESS_RULES": ";".join(rules)}
        with accounts_in(data) as accounts:
            _people(accounts)
        with OrlopServer(data, arguments=arguments, **settings) as server:  # type: ignore[arg-type]
            with contextlib.ExitStack() as clients:
                yield House(data, server, listed, clients)
            server.stop()
            check_log(server.log, expected)


def check_log(log: str, expected: tuple[str, ...] = ()) -> None:
    """Fails where the log tells of trouble that nobody expected."""
    troubles = [line for line in log.splitlines() if any(word in line for word in TROUBLE)]
    troubles = [line for line in troubles if not any(words in line for words in expected)]
    assert not troubles, "\n".join(troubles)


def _people(accounts: Accounts) -> None:
    accounts.create(COMMAND_LINE, ADMIN, password_of(ADMIN), admin=True)
    for name in PEOPLE:
        accounts.create(COMMAND_LINE, name, password_of(name))
    accounts.create_group(COMMAND_LINE, GROUP)
    for name in MEMBERS:
        accounts.join(COMMAND_LINE, GROUP, name)
