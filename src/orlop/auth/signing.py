"""The token service's keys and its signatures: ES256, and nothing else."""

import json
import threading
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from orlop.database import signing_keys
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.errors import Unauthorized

ALGORITHM = "ES256"
ALIVE = 2
"""Keys whose signatures count: the one that signs, and the one before it."""


class _Strict(json.JSONDecoder):
    """Refuses objects that say something twice: other readers might take the other one."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("something is said twice")
    return found


class Key(NamedTuple):
    id: str
    key: ECKey


class Signer:
    """Signs with the newest key, and knows the signatures of those that are alive."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._keys: list[Key] = []

    def load(self) -> None:
        """Reads the keys again; makes the first."""
        with self._lock:
            found = signing_keys.every(self._database.reader())
            if not found:
                self._database.write(lambda connection: None if signing_keys.every(connection) else rotate(connection))
                found = signing_keys.every(self._database.reader())
            known = {key.id: key for key in self._keys}
            self._keys = [known.get(row.id) or Key(row.id, ECKey.import_key(row.private_key)) for row in found[:ALIVE]]

    def sign(self, claims: dict[str, Any]) -> str:
        """The token, signed by the newest key."""
        newest = self._keys[0]
        return jwt.encode({"typ": "JWT", "alg": ALGORITHM, "kid": newest.id}, claims, newest.key)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of the living keys has signed, else Unauthorized. Looks at no time."""
        for key in self._keys:
            try:
                # Whatever the token's header says of its key, only these are tried.
                found = jwt.decode(token, key.key, algorithms=[ALGORITHM], decoder_cls=_Strict)
            except (JoseError, ValueError, TypeError, KeyError, RecursionError):
                continue
            if found.header.get("kid") == key.id and isinstance(found.claims, dict):
                return found.claims
        raise Unauthorized("the token is not valid", error="invalid_token")

    def public(self) -> dict[str, Any]:
        """The keys that are alive, as a JSON Web Key Set."""
        return {
            "keys": [
                {**key.key.as_dict(private=False), "kid": key.id, "use": "sig", "alg": ALGORITHM} for key in self._keys
            ]
        }


def rotate(connection: Connection) -> str:
    """Makes a new key, which signs from now on; the one before stays alive, older ones go. The new one's id."""
    key = ECKey.generate_key("P-256")
    key_id = key.thumbprint()[:16]
    signing_keys.add(connection, key_id, key.as_pem(private=True).decode())
    for old in signing_keys.every(connection)[ALIVE:]:
        signing_keys.remove(connection, old.id)
    return key_id
