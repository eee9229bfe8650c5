"""Passwords are kept so that a thief of the database cannot use them, and checked so that nobody learns of accounts."""

import time
from collections.abc import Callable

import bcrypt
import pytest

from orlop.auth.passwords import hash_password, new_password, verify, verify_bcrypt
from orlop.domain.errors import AccountInvalid

PASSWORD = "correct horse"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def test_a_password_is_known_again_and_no_other() -> None:
    hashed = hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert PASSWORD not in hashed
    assert hash_password(PASSWORD) != hashed
    assert verify(hashed, PASSWORD)
    for wrong in ("", "correct hors", "correct horse ", "Correct horse", PASSWORD + "\0"):
        assert not verify(hashed, wrong)


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "\udcff" * 8, "pass\0word", "пароль", "ä" * 512])
def test_any_text_of_that_length_can_be_one(password: str) -> None:
    assert verify(hash_password(password), password)


@pytest.mark.parametrize(
    ("password", "told"), [("", "short"), ("1234567", "short"), ("x" * 1025, "long"), ("ä" * 513, "long")]
)
def test_too_short_and_too_long(password: str, told: str) -> None:
    with pytest.raises(AccountInvalid, match=f"too {told}"):
        hash_password(password)


@pytest.mark.parametrize("hashed", [None, "", "no hash", "$argon2id$v=19$m=1", BCRYPT])
def test_nothing_is_right_where_there_is_no_hash(hashed: str | None) -> None:
    assert not verify(hashed, PASSWORD)
    assert not verify(hashed, "")


def fastest(check: Callable[[], object]) -> float:
    check()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        check()
        times.append(time.perf_counter() - begun)
    return min(times)


def test_an_account_that_is_not_there_takes_as_long() -> None:
    hashed = hash_password(PASSWORD)
    here, absent = fastest(lambda: verify(hashed, "wrong one")), fastest(lambda: verify(None, "wrong one"))
    assert 0.2 < absent / here < 5
    costly = bcrypt.hashpw(b"x", bcrypt.gensalt(8)).decode()
    here = fastest(lambda: verify_bcrypt(costly, "wrong one", costly))
    absent = fastest(lambda: verify_bcrypt(None, "wrong one", costly))
    assert 0.2 < absent / here < 5


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_bcrypt_as_every_htpasswd_writes_it(prefix: str) -> None:
    hashed = prefix + BCRYPT[4:]
    assert verify_bcrypt(hashed, PASSWORD, hashed)
    assert not verify_bcrypt(hashed, "wrong", hashed)
    assert not verify_bcrypt(None, PASSWORD, hashed)


def test_bcrypt_looks_at_72_bytes() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert verify_bcrypt(hashed, "x" * 72 + "and more", hashed)
    assert not verify_bcrypt(hashed, "x" * 71, hashed)
    # A library in C would stop at the zero byte.
    assert not verify_bcrypt(BCRYPT, PASSWORD + "\0", BCRYPT)


@pytest.mark.parametrize("like", ["", "no hash", "$2b$99$", "$2b$²²$"])
def test_a_hash_that_is_broken_lets_nobody_in(like: str) -> None:
    assert not verify_bcrypt(None, PASSWORD, like)
    assert not verify_bcrypt("$2b$04$short", PASSWORD, like)


def test_made_passwords_can_be_kept_and_differ() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 24 and password.isascii() for password in made)
    hash_password(made.pop())
