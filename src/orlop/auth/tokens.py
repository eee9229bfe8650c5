"""Access tokens: secrets that stand for an account, made once, shown once, kept as hashes. Pure."""

import hashlib
import re
import secrets

PREFIX = "orlop_"
"""By it a person, and a scanner for leaked secrets, knows one."""

_TOKEN = re.compile(rf"{PREFIX}[0-9a-f]{{40}}")


def new_token() -> str:
    """160 random bits behind the prefix."""
    return PREFIX + secrets.token_hex(20)


def new_id() -> str:
    """By which a token is told from others, listed and deleted; no secret."""
    return secrets.token_hex(6)


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def hash_token(token: str) -> str:
    """As it is kept. A plain hash does: nobody guesses 160 bits."""
    return hashlib.sha256(token.encode()).hexdigest()
