"""Who sends a request, by its Authorization header: checked once, and then remembered until it may have changed."""

import base64
import binascii
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from orlop.auth import passwords, tokens
from orlop.auth.accounts import Accounts, scopes_of
from orlop.auth.grants import Grants
from orlop.auth.htpasswd import Htpasswd
from orlop.auth.policy import ANONYMOUS, Policy, Subject
from orlop.auth.signing import Signer
from orlop.auth.throttle import Throttle, origin
from orlop.database import accounts
from orlop.database import tokens as rows
from orlop.database.engine import Database
from orlop.domain.access import ACTIONS, Actions, closed
from orlop.domain.errors import Unauthorized

REMEMBERED = 300.0
"""Seconds that the answer to a password or an access token holds, unless something changes before."""
MOST_REMEMBERED = 20_000
FOREVER = float("inf")
MINUTE = 60_000


class Credentials(NamedTuple):
    """`name` and `secret` of Basic; a Bearer's secret alone."""

    name: str | None
    secret: str

    @property
    def is_password(self) -> bool:
        """Whether checking it takes long."""
        return self.name is not None and not tokens.is_token(self.secret)


class SignIn:
    """Turns headers into grants. `look` must be called now and then: it notices changes that others have made."""

    def __init__(
        self,
        database: Database,
        accounts_: Accounts,
        policy: Policy,
        signer: Signer,
        htpasswd: Htpasswd | None,
        *,
        failures: int,
        service: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`failures`: how many wrong passwords a minute one address may send, and be sent for one account."""
        self._database = database
        self._accounts = accounts_
        self._signer = signer
        self._htpasswd = htpasswd
        self._service = service
        self._clock = clock
        message = "too many failed sign-ins: wait, then check name and password"
        self._by_address = Throttle(failures / 60, failures, message)
        self._by_account = Throttle(failures / 60, failures, message)
        self._trusted: set[tuple[str, str]] = set()  # accounts with addresses from which they have signed in
        self._salt = secrets.token_bytes(32)
        self._known: dict[bytes, Grants] = {}
        self._lock = threading.Lock()
        self._epoch = 0
        self._revision = accounts.revision(database.reader())
        self._used: dict[str, int] = {}
        self.policy = policy
        self.anonymous = Grants(policy, ANONYMOUS, expires_at=FOREVER)

    def known(self, header: str) -> Grants | None:
        """What is remembered of a header: no look-up, no hashing of passwords."""
        grants = self._known.get(self._key(header))
        if grants is None or grants.expires_at <= self._clock():
            return None
        if grants.token_id:
            self._note_use(grants.token_id)
        return grants

    def check(self, credentials: Credentials, header: str, address: str) -> Grants:
        """Finds out who that is. Unauthorized: nobody. TooManyRequests: there were too many wrong ones before."""
        epoch = self._epoch
        # Only passwords can be guessed: tokens whose time is over must not keep their whole network from signing in.
        if credentials.is_password:
            grants = self._find_throttled(credentials, origin(address))
        else:
            grants = self._find(credentials)
        with self._lock:
            if credentials.name:
                if len(self._trusted) >= MOST_REMEMBERED:
                    self._trusted.clear()
                self._trusted.add((credentials.name, origin(address)))
            if epoch == self._epoch:
                if len(self._known) >= MOST_REMEMBERED:
                    self._forget_oldest()
                self._known[self._key(header)] = grants
        return grants

    def look(self) -> None:
        """Forgets what it remembers where accounts, groups, tokens, keys or the htpasswd file have changed."""
        revision = accounts.revision(self._database.reader())
        changed = self._htpasswd is not None and self._htpasswd.look()
        if revision != self._revision:
            self._signer.load()
            self._revision, changed = revision, True
        if changed:
            self.forget()

    def use(self, policy: Policy) -> None:
        """Goes on with another policy."""
        self.policy = policy
        self.anonymous = Grants(policy, ANONYMOUS, expires_at=FOREVER)
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._epoch += 1
            self._known.clear()

    def flush(self) -> int:
        """Records when tokens were last used; how many."""
        used, self._used = self._used, {}
        if used:
            self._database.write(lambda connection: rows.used(connection, list(used.items())))
        return len(used)

    def _find_throttled(self, credentials: Credentials, address: str) -> Grants:
        name = credentials.name or ""
        self._by_address.check(address)
        # Whoever has signed in from there before is not kept out by others who guess at the account.
        if (name, address) not in self._trusted:
            self._by_account.check(name)
        try:
            return self._find(credentials)
        except Unauthorized:
            self._by_address.take(address)
            self._by_account.take(name)
            raise

    def _find(self, credentials: Credentials) -> Grants:
        name, secret = credentials
        if tokens.is_token(secret):
            return self._by_token(name, secret)
        if name is None:
            return self._by_signature(secret)
        return self._by_password(name, secret)

    def _by_password(self, name: str, password: str) -> Grants:
        account = accounts.find(self._database.reader(), name)
        right = passwords.verify(account.password if account else None, password)
        if self._htpasswd is not None:
            # Always both, so that nobody can tell by the time which accounts there are.
            hashes = self._htpasswd.hashes()
            like = next(iter(hashes.values()), "")
            listed = passwords.verify_bcrypt(hashes.get(name) if account is None else None, password, like)
            right = right or listed
        subject = self._accounts.subject(name) if right else None
        if subject is None:
            raise _wrong()
        return Grants(self.policy, subject, expires_at=self._clock() + REMEMBERED)

    def _by_token(self, name: str | None, secret: str) -> Grants:
        token = rows.by_hash(self._database.reader(), tokens.hash_token(secret))
        # A user name goes with Basic; whoever sends another's has mixed something up.
        if token is None or (name is not None and name != token.account):
            raise _wrong()
        subject = self._accounts.subject(token.account)
        if subject is None:
            raise _wrong()
        self._note_use(token.id)
        until = self._clock() + REMEMBERED
        if token.expires_at is not None:
            until = min(until, token.expires_at / 1000)
        return Grants(self.policy, subject, expires_at=until, token_id=token.id, scopes=scopes_of(token))

    def _by_signature(self, text: str) -> Grants:
        claims = self._signer.verify(text)
        now = self._clock()
        until = _number(claims.get("exp"))
        if not (_number(claims.get("nbf")) <= now + 1 and now < until):
            raise _invalid("the token's time is over")
        if claims.get("aud") != self._service or claims.get("iss") != self._service:
            raise _invalid("the token is for another registry")
        access, catalog = _access(claims.get("access"))
        name, token_id = claims.get("sub"), claims.get("token", "")
        if not isinstance(name, str) or not isinstance(token_id, str):
            raise _invalid("the token is not valid")
        subject: Subject | None = ANONYMOUS
        scopes: tuple[object, ...] = ()
        if name:
            subject = self._accounts.subject(name, since=_number(claims.get("iat")) + 1)
            if token_id:
                token = rows.by_id(self._database.reader(), token_id)
                if token is None or token.account != name:
                    subject = None
                else:
                    scopes = scopes_of(token)
                    until = min(until, token.expires_at / 1000) if token.expires_at is not None else until
        if subject is None:
            raise _invalid("the token's account is not there any more")
        return Grants(
            self.policy,
            subject,
            expires_at=until,
            token_id=token_id,
            scopes=scopes,  # type: ignore[arg-type]
            access=access,
            catalog=catalog,
        )

    def _note_use(self, token_id: str) -> None:
        self._used[token_id] = int(self._clock() * 1000) // MINUTE * MINUTE

    def _forget_oldest(self) -> None:
        for key in list(self._known)[: MOST_REMEMBERED // 10]:
            del self._known[key]

    def _key(self, header: str) -> bytes:
        # Nothing that could be sent again stays in memory.
        return hashlib.blake2b(header.encode("utf-8", "surrogateescape"), digest_size=16, key=self._salt).digest()


# As clients of v1 send the token that they got; some put one more `Token` in front of it.
_SIGNATURE = re.compile(r"signature\s*[:=]\s*[\"']?([A-Za-z0-9._-]+)")


def parse_header(header: str) -> Credentials:
    """What an Authorization header holds, else Unauthorized."""
    scheme, _, rest = header.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credentials(None, rest)
    if scheme.lower() == "token" and (found := _SIGNATURE.search(rest)):
        return Credentials(None, found[1])
    if scheme.lower() != "basic":
        raise Unauthorized("the Authorization header is neither Basic nor Bearer")
    try:
        text = base64.b64decode(rest, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise _wrong() from error
    name, colon, secret = text.partition(":")
    if not colon or not name:
        raise Unauthorized("the Authorization header has no name and password")
    return Credentials(name, secret)


def _access(entries: object) -> tuple[dict[str, Actions], bool]:
    """Actions by repository, and whether the catalog may be read."""
    found: dict[str, Actions] = {}
    catalog = False
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("actions"), list):
            continue
        kind, name, listed = entry.get("type"), entry.get("name"), entry["actions"]
        if kind == "repository" and isinstance(name, str):
            found[name] = found.get(name, frozenset()) | closed(action for action in listed if action in ACTIONS)
        catalog = catalog or (kind == "registry" and name == "catalog" and "*" in listed)
    return found, catalog


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _wrong() -> Unauthorized:
    return Unauthorized("the name, the password or the token is wrong")


def _invalid(message: str) -> Unauthorized:
    return Unauthorized(message, error="invalid_token")
