"""Passwords: how they are kept, checked and made.

Accounts' are kept as argon2id; htpasswd files hold bcrypt. Both libraries let other threads run while they work.
"""

import functools
import secrets

import argon2
import bcrypt

from orlop.domain.errors import AccountInvalid

SHORTEST, LONGEST = 8, 1024
"""Bytes of a password."""

# OWASP's choice for argon2id: 19 MiB and two passes, about 25 ms of one core.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# What bcrypt looks at; its library refuses more.
_MOST_BCRYPT = 72


def hash_password(password: str) -> str:
    """AccountInvalid: it is too short or too long."""
    size = len(password.encode("utf-8", "surrogateescape"))
    if size < SHORTEST:
        raise AccountInvalid(f"the password is too short: {SHORTEST} characters at least")
    if size > LONGEST:
        raise AccountInvalid(f"the password is too long: {LONGEST} bytes at most")
    return _hasher.hash(password.encode("utf-8", "surrogateescape"))


def verify(hashed: str | None, password: str) -> bool:
    """Whether that is the password. Without a hash it takes as long, and is not."""
    given = password.encode("utf-8", "surrogateescape")
    if len(given) > LONGEST:
        return False
    try:
        _hasher.verify(hashed or _nobodys(), given)
        return hashed is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def verify_bcrypt(hashed: str | None, password: str, like: str) -> bool:
    """As `verify`, for a bcrypt hash; `like` is one whose cost is taken where there is none."""
    given = password.encode("utf-8", "surrogateescape")[:_MOST_BCRYPT]
    if b"\0" in given:
        return False
    try:
        return bcrypt.checkpw(given, (hashed or _nobodys_like(like[:7])).encode()) and hashed is not None
    except ValueError:
        return False


def new_password() -> str:
    """144 random bits."""
    return secrets.token_urlsafe(18)


@functools.cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_bytes(16))


@functools.lru_cache(32)
def _nobodys_like(prefix: str) -> str:
    rounds = int(prefix[4:6]) if prefix[4:6].isascii() and prefix[4:6].isdigit() else 10
    return bcrypt.hashpw(secrets.token_bytes(16).hex().encode(), bcrypt.gensalt(min(max(rounds, 4), 16))).decode()
