"""Tokens by hash and by id, until their time is over."""

import functools
from typing import Any

import pytest

from orlop.database import accounts, tokens
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.tokens import Token
from tests.unit.database.content import MINUTE


def token(id_: str, account: str = "ann", **more: Any) -> Token:
    made = Token(id_, account, "access", "", "[]", 1_000, None, None)
    return made._replace(**more)


def add(connection: Connection, *made: Token) -> None:
    for each in made:
        tokens.create(connection, each, f"hash of {each.id}")


def ids(database: Database, account: str = "") -> list[str]:
    return [each.id for each in tokens.every(database.reader(), account)]


def test_a_token_is_found_by_its_hash_and_its_id(database: Database) -> None:
    made = token("t1", note="for % _ and ü", scopes='["a:pull"]')
    database.write(lambda connection: add(connection, made, token("t2")))
    reader = database.reader()
    assert tokens.by_hash(reader, "hash of t1") == tokens.by_id(reader, "t1") == made
    for absent in ("", "hash of t_", "hash of %", "HASH OF T1", "t1"):
        assert tokens.by_hash(reader, absent) is None
    assert tokens.by_id(reader, "hash of t1") is None


def test_a_token_whose_time_is_over_is_listed_and_not_found(database: Database) -> None:
    now = database.reader().now()
    over, alive = token("over", expires_at=now - 1), token("alive", expires_at=now + 10 * MINUTE)
    database.write(lambda connection: add(connection, over, alive))
    reader = database.reader()
    assert tokens.by_hash(reader, "hash of over") is None
    assert tokens.by_id(reader, "over") is None
    assert tokens.by_id(reader, "alive") == alive
    assert ids(database) == ["alive", "over"]


def test_lists_are_of_one_account_or_of_all(database: Database) -> None:
    made = (token("3", "a_b"), token("2", "axb"), token("1", "a_b", created_at=2_000), token("0", "b"))
    database.write(lambda connection: add(connection, *made))
    assert ids(database) == ["3", "1", "2", "0"]
    assert ids(database, "a_b") == ["3", "1"]
    assert ids(database, "a%") == []


def test_no_two_tokens_have_one_hash(database: Database) -> None:
    database.write(lambda connection: add(connection, token("t1")))
    for other in (token("t2"), token("t1")):
        with pytest.raises(Exception, match=r"(?i)unique"):
            database.write(functools.partial(tokens.create, token=other, hashed="hash of t1"))
    assert ids(database) == ["t1"]


def test_tokens_go_one_by_one_or_with_their_account(database: Database) -> None:
    database.write(lambda connection: add(connection, token("1", "a_b"), token("2", "a_b"), token("3", "axb")))
    before = accounts.revision(database.reader())
    assert database.write(lambda connection: tokens.remove(connection, "1"))
    assert not database.write(lambda connection: tokens.remove(connection, "1"))
    assert ids(database) == ["2", "3"]
    assert database.write(lambda connection: tokens.remove_all(connection, "a_b")) == 1
    assert ids(database) == ["3"]
    assert accounts.revision(database.reader()) > before


def test_the_newest_refresh_tokens_stay(database: Database) -> None:
    made = [token(f"r{number}", kind="refresh", created_at=number) for number in range(1, 6)]
    others = [token("access", created_at=0), token("others", "bob", kind="refresh", created_at=0)]
    database.write(lambda connection: add(connection, *made, *others))
    before = accounts.revision(database.reader())
    database.write(lambda connection: tokens.keep_newest_refresh(connection, "ann", 5))
    assert accounts.revision(database.reader()) == before  # none went
    database.write(lambda connection: tokens.keep_newest_refresh(connection, "ann", 2))
    assert ids(database) == ["access", "r4", "r5", "others"]
    assert accounts.revision(database.reader()) > before
    database.write(lambda connection: tokens.keep_newest_refresh(connection, "ann", 0))
    assert ids(database) == ["access", "others"]


def test_what_was_over_before_goes(database: Database) -> None:
    made = (token("forever"), token("early", expires_at=99), token("late", expires_at=100))
    database.write(lambda connection: add(connection, *made))
    assert database.write(lambda connection: tokens.expire(connection, 100)) == 1
    assert set(ids(database)) == {"forever", "late"}


def test_uses_are_recorded_and_never_go_back(database: Database) -> None:
    database.write(lambda connection: add(connection, token("t1"), token("t2")))
    before = accounts.revision(database.reader())
    for minute in (2 * MINUTE, MINUTE, 2 * MINUTE):
        database.write(functools.partial(tokens.used, uses=[("t1", minute), ("gone", minute)]))
    database.write(lambda connection: tokens.used(connection, []))
    assert [each.last_used_at for each in tokens.every(database.reader())] == [2 * MINUTE, None]
    assert accounts.revision(database.reader()) == before  # nothing that is remembered gets wrong by it
