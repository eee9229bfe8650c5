"""Signatures of the two newest keys count, and nothing that a token says of its own key."""

import base64
import json
import threading
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from orlop.auth.signing import ALIVE, Signer, rotate
from orlop.database import signing_keys
from orlop.database.engine import Database
from orlop.domain.errors import Unauthorized

CLAIMS = {"sub": "alice", "access": [{"type": "repository", "name": "a", "actions": ["pull"]}]}


@pytest.fixture
def signer(database: Database) -> Signer:
    signer = Signer(database)
    signer.load()
    return signer


def header_of(token: str) -> dict[str, Any]:
    head = token.partition(".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return header


def part(document: object) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def test_what_was_signed_is_read_again(signer: Signer) -> None:
    token = signer.sign(CLAIMS)
    assert signer.verify(token) == CLAIMS
    assert header_of(token) == {"typ": "JWT", "alg": "ES256", "kid": signer.public()["keys"][0]["kid"]}


def test_others_can_check_by_what_is_public_and_cannot_sign(signer: Signer, database: Database) -> None:
    database.write(rotate)
    signer.load()
    published = json.loads(json.dumps(signer.public()))
    assert jwt.decode(signer.sign(CLAIMS), KeySet.import_key_set(published), algorithms=["ES256"]).claims == CLAIMS
    for key in published["keys"]:
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
        assert "d" not in key


def test_two_keys_are_alive_and_a_third_ends_the_first(signer: Signer, database: Database) -> None:
    tokens = [signer.sign(CLAIMS)]
    for _ in range(3):
        database.write(rotate)
        signer.load()
        tokens.append(signer.sign(CLAIMS))
        for token in tokens[-2:]:
            signer.verify(token)
        for token in tokens[:-2]:
            with pytest.raises(Unauthorized) as refused:
                signer.verify(token)
            assert refused.value.error == "invalid_token"
    assert len({header_of(token)["kid"] for token in tokens}) == 4
    assert len(signing_keys.every(database.reader())) == ALIVE


def test_a_server_started_again_knows_what_it_signed(signer: Signer, database: Database) -> None:
    again = Signer(database)
    again.load()
    assert again.verify(signer.sign(CLAIMS)) == CLAIMS
    assert signer.verify(again.sign(CLAIMS)) == CLAIMS


def test_servers_that_start_at_once_make_one_key(database: Database) -> None:
    signers = [Signer(database) for _ in range(6)]
    threads = [threading.Thread(target=signer.load) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signing_keys.every(database.reader())) == 1
    assert all(signer.verify(signers[0].sign(CLAIMS)) == CLAIMS for signer in signers)


def test_keys_made_in_one_moment_have_an_order(signer: Signer, database: Database) -> None:
    made = database.write(lambda connection: [rotate(connection) for _ in range(5)])
    assert [key.id for key in signing_keys.every(database.reader())] == [made[4], made[3]]


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "orlop_1", "ä.ö.ü", "." * 1000, "e30.e30.", "bnVsbA.e30.x"])
def test_what_is_no_token(signer: Signer, token: str) -> None:
    with pytest.raises(Unauthorized):
        signer.verify(token)


def test_forgeries(signer: Signer) -> None:
    good = signer.sign(CLAIMS)
    kid, public = signer.public()["keys"][0]["kid"], signer.public()["keys"][0]
    head, claims, signature = good.split(".")
    mine = ECKey.generate_key("P-256")
    secret = OctKey.import_key(json.dumps(public))
    forged = [
        f"{part({'alg': 'none', 'kid': kid})}.{claims}.",
        f"{part({'alg': 'None', 'kid': kid})}.{claims}.{signature}",
        f"{head}.{part({**CLAIMS, 'sub': 'root'})}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{part('x' * 64)}",
        f"{head}.{claims}.{base64.urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}",
        jwt.encode({"alg": "HS256", "kid": kid}, CLAIMS, secret, algorithms=["HS256"]),
        jwt.encode({"alg": "ES256", "kid": kid}, CLAIMS, mine),
        jwt.encode({"alg": "ES256", "kid": kid, "jwk": mine.as_dict(private=False)}, CLAIMS, mine),
        jwt.encode({"alg": "ES256"}, CLAIMS, mine),
    ]
    for token in forged:
        with pytest.raises(Unauthorized):
            signer.verify(token)


def test_the_key_must_be_the_one_that_is_named(signer: Signer) -> None:
    for kid in ("another", None):
        token = jwt.encode({"alg": "ES256"} | ({"kid": kid} if kid else {}), CLAIMS, signer._keys[0].key)
        with pytest.raises(Unauthorized):
            signer.verify(token)


def test_claims_that_are_no_object_or_say_something_twice(signer: Signer) -> None:
    from joserfc import jws

    newest = signer._keys[0]
    for payload in ("[]", "1", '"alice"', "null", "no JSON", '{"sub": "alice", "sub": "root"}', "[" * 100_000):
        token = jws.serialize_compact({"alg": "ES256", "kid": newest.id}, payload, newest.key)
        with pytest.raises(Unauthorized):
            signer.verify(token)
