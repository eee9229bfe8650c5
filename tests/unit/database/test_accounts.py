"""Accounts and groups, as they are kept; what an operator sees of them is `auth/test_accounts.py`."""

import pytest

from orlop.database import accounts
from orlop.database.accounts import Account
from orlop.database.connection import Connection
from orlop.database.engine import Database

NAMES = ["a-b", "a.b", "a_b", "ab", "axb", "b"]
"""In the order of their bytes."""


def add(connection: Connection, *names: str, admin: bool = False) -> None:
    for name in names:
        assert accounts.create(connection, name, "person", f"hash of {name}", admin=admin)


def test_there_is_nothing_at_first(database: Database) -> None:
    reader = database.reader()
    assert accounts.is_empty(reader)
    assert accounts.every(reader) == []
    assert accounts.every_group(reader) == []
    assert accounts.groups_of(reader, "alice") == []
    assert accounts.revision(reader) == 0
    assert accounts.find(reader, "alice") is None


def test_names_are_told_apart_byte_by_byte(database: Database) -> None:
    database.write(lambda connection: add(connection, *reversed(NAMES)))
    reader = database.reader()
    assert [account.name for account in accounts.every(reader)] == NAMES
    for name in NAMES:
        found = accounts.find(reader, name)
        assert found is not None
        assert (found.name, found.password) == (name, f"hash of {name}")
    for absent in ("a%b", "A_B", "AB", "a", ""):
        assert accounts.find(reader, absent) is None


def test_a_change_is_of_one_account(database: Database) -> None:
    def unit(connection: Connection) -> None:
        add(connection, *NAMES)
        accounts.set_password(connection, "a_b", "another hash")
        accounts.set_disabled(connection, "a.b", disabled=True)
        assert accounts.remove(connection, "a-b")
        assert not accounts.remove(connection, "a-b")

    database.write(unit)
    changed = [
        (account.name, account.password, account.disabled_at is None) for account in accounts.every(database.reader())
    ]
    assert changed == [
        ("a.b", "hash of a.b", False),
        ("a_b", "another hash", True),
        ("ab", "hash of ab", True),
        ("axb", "hash of axb", True),
        ("b", "hash of b", True),
    ]


def test_an_account_that_is_there_is_left_as_it_is(database: Database) -> None:
    database.write(lambda connection: add(connection, "alice", admin=True))
    before = accounts.find(database.reader(), "alice")
    assert isinstance(before, Account)
    assert not database.write(lambda connection: accounts.create(connection, "alice", "robot", None, admin=False))
    assert accounts.find(database.reader(), "alice") == before


def test_members(database: Database) -> None:
    def unit(connection: Connection) -> None:
        add(connection, "ann", "bob")
        for group in ("ops", "dev", "empty"):
            assert accounts.create_group(connection, group)
        for group, account in (("dev", "bob"), ("dev", "ann"), ("ops", "ann"), ("dev", "of the file")):
            assert accounts.join(connection, group, account)
        assert accounts.leave(connection, "dev", "bob")
        assert accounts.leave(connection, "dev", "bob") is False
        assert accounts.leave(connection, "nothing", "bob") is None

    database.write(unit)
    reader = database.reader()
    groups = [(group.name, group.members) for group in accounts.every_group(reader)]
    assert groups == [("dev", ["ann", "of the file"]), ("empty", []), ("ops", ["ann"])]
    assert accounts.groups_of(reader, "ann") == ["dev", "ops"]
    database.write(lambda connection: accounts.remove(connection, "ann"))
    assert [group.members for group in accounts.every_group(database.reader())] == [["of the file"], [], []]


def test_a_group_goes_with_its_memberships(database: Database) -> None:
    def unit(connection: Connection) -> None:
        add(connection, "ann")
        accounts.create_group(connection, "dev")
        accounts.join(connection, "dev", "ann")
        assert accounts.remove_group(connection, "dev")
        assert not accounts.remove_group(connection, "dev")
        assert accounts.create_group(connection, "dev")

    database.write(unit)
    assert accounts.groups_of(database.reader(), "ann") == []
    assert [group.members for group in accounts.every_group(database.reader())] == [[]]


def test_the_revision_goes_up_and_not_for_what_was_undone(database: Database) -> None:
    database.write(accounts.changed)
    database.write(accounts.changed)
    assert accounts.revision(database.reader()) == 2

    def unit(connection: Connection) -> None:
        add(connection, "ann")
        raise KeyError

    with pytest.raises(KeyError):
        database.write(unit)
    assert accounts.revision(database.reader()) == 2
    assert accounts.is_empty(database.reader())
