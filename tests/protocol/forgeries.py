"""Tokens made by hand: with the registry's own key, with another, or with none."""

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from orlop.domain.access import ACTIONS

PrivateKey = ec.EllipticCurvePrivateKey


class Forge:
    """Who has read the registry's database, and thus can make any token: so each fault stands alone in its token."""

    def __init__(self, data: Path) -> None:
        with closing(sqlite3.connect(data / "orlop.db")) as database:
            self.kid, pem = database.execute("SELECT id, private_key FROM signing_keys").fetchone()
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, PrivateKey)
        self.key = key

    def header(self, **more: Any) -> dict[str, Any]:
        """`None` leaves one out."""
        return _without_none({"typ": "JWT", "alg": "ES256", "kid": self.kid, **more})

    def token(self, *, key: PrivateKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Right but for what is given."""
        return self.of(encode(claims_of(**claims)), key=key, header=header)

    def of(self, payload: bytes, *, key: PrivateKey | None = None, header: dict[str, Any] | bytes | None = None) -> str:
        head = header if isinstance(header, bytes) else encode(header or self.header())
        text = f"{base64url(head)}.{base64url(payload)}"
        return f"{text}.{base64url(sign(key or self.key, text.encode()))}"

    def by_hmac(self, secret: bytes, **header: Any) -> str:
        """HS256, as a library checks it that takes any key for any algorithm."""
        head = encode(self.header(**{"alg": "HS256", **header}))
        text = f"{base64url(head)}.{base64url(encode(claims_of()))}"
        return f"{text}.{base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def unsigned(self, signature: str = "", **header: Any) -> str:
        return f"{base64url(encode(self.header(**header)))}.{base64url(encode(claims_of()))}.{signature}"

    def public_key(self) -> dict[str, bytes]:
        """In every form that someone might take for the secret of HS256."""
        public = self.key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "PEM": pem,
            "PEM, stripped": pem.strip(),
            "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            "JWK": json.dumps(jwk_of(self.key), separators=(",", ":")).encode(),
        }


def claims_of(**more: Any) -> dict[str, Any]:
    """Those of an admin who may do everything with `vault/app`; `None` leaves one out."""
    now = int(time.time())
    claims = {
        "iss": "orlop", "aud": "orlop", "sub": "root", "iat": now, "nbf": now - 5, "exp": now + 300, "jti": "1",
        "access": [{"type": "repository", "name": "vault/app", "actions": [*ACTIONS]}],
    }  # fmt: skip
    return _without_none({**claims, **more})


def new_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk_of(key: PrivateKey) -> dict[str, str]:
    """Its public part."""
    numbers = key.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def sign(key: PrivateKey, text: bytes) -> bytes:
    """R and S side by side, as ES256 has them."""
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
