"""The Docker token service: a token for what an account asked for and may do, for a few minutes.

Sources: the distribution project's documents `auth/token`, `auth/jwt`, `auth/scope` and `auth/oauth`.
"""

import secrets
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from orlop.auth.accounts import REFRESH, Accounts
from orlop.auth.grants import Grants
from orlop.auth.signing import Signer
from orlop.domain.access import ACTIONS, Actions, closed, in_order
from orlop.domain.caller import Caller
from orlop.domain.errors import NameInvalid, ParameterInvalid
from orlop.domain.name import RepositoryName

MOST_SCOPES = 100
REFRESH_LIFETIME = 90 * 86_400_000
"""Milliseconds that a client stays signed in."""
LEEWAY = 5
"""Seconds that a token is good before it was made: clocks of replicas differ a little."""


class Issued(NamedTuple):
    """`lifetime` in seconds from `at`, which is in seconds since 1970."""

    token: str
    at: int
    lifetime: int


class Asked(NamedTuple):
    """What a client asks for: actions by repository, and whether it wants to read the catalog."""

    repositories: dict[str, Actions]
    catalog: bool


class TokenService:
    def __init__(self, signer: Signer, accounts: Accounts, *, service: str, lifetime: float) -> None:
        """`lifetime` of tokens in seconds."""
        self.service = service
        self._signer = signer
        self._accounts = accounts
        self._lifetime = int(lifetime)

    def issue(self, grants: Grants, asked: Asked) -> Issued:
        """A token for what was asked, as far as it is granted: nothing is added, and what is not known is left out."""
        now = int(time.time())
        access: list[dict[str, Any]] = []
        for name, wanted in asked.repositories.items():
            granted = grants.actions(name) & wanted
            if granted:
                access.append({"type": "repository", "name": name, "actions": in_order(granted)})
        if asked.catalog:
            access.append({"type": "registry", "name": "catalog", "actions": ["*"]})
        claims = {
            "iss": self.service,
            "aud": self.service,
            "sub": grants.subject.name,
            "iat": now,
            "nbf": now - LEEWAY,
            "exp": now + self._lifetime,
            "jti": secrets.token_hex(10),
            "access": access,
        }
        if grants.token_id:
            claims["token"] = grants.token_id
        return Issued(self._signer.sign(claims), now, self._lifetime)

    def refresh_token(self, caller: Caller, grants: Grants, client: str) -> str:
        """What stands for the account from now on, so that the client need not keep the password."""
        note = "".join(character for character in client if character.isprintable())[:100]
        made = self._accounts.create_token(
            caller, grants.subject.name, note=note, scopes=grants.scopes, lifetime=REFRESH_LIFETIME, kind=REFRESH
        )
        return made.secret

    def keys(self) -> dict[str, Any]:
        """The JSON Web Key Set by which others may check its tokens."""
        return self._signer.public()


def parse_scopes(texts: Iterable[str]) -> Asked:
    """What `repository:NAME:ACTIONS` and the like ask for. What isn't understood is left out.

    ParameterInvalid: there are too many.
    """
    words = [word for text in texts for word in text.split(" ") if word]
    if len(words) > MOST_SCOPES:
        raise ParameterInvalid(f"more than {MOST_SCOPES} scopes")
    repositories: dict[str, Actions] = {}
    catalog = False
    for word in words:
        kind, _, rest = word.partition(":")
        # A name may hold a colon of its own where it begins with a host, so the last one counts.
        name, colon, listed = rest.rpartition(":")
        kind = kind.partition("(")[0]  # a class, as in repository(plugin)
        if kind == "registry":
            catalog = catalog or (name == "catalog" and "*" in listed.split(","))
        elif kind == "repository" and colon:
            actions = _actions(listed)
            try:
                checked = RepositoryName.parse(name)
            except NameInvalid:
                continue
            if actions:
                repositories[checked] = repositories.get(checked, frozenset()) | actions
    return Asked(repositories, catalog)


def _actions(text: str) -> Actions:
    words = text.split(",")
    return closed(ACTIONS if "*" in words else [word for word in words if word in ACTIONS])
