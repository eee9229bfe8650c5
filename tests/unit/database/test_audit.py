"""The audit log, and lists that hold only what may be read: on both engines."""

from orlop.database import accounts, audit, blobs, pages, repositories, tokens
from orlop.database.audit import Filter
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import LARGEST, Order
from orlop.domain.access import NO_REPOSITORY, any_of, both
from orlop.domain.caller import Caller
from orlop.domain.name import RepositoryName
from tests.unit.database.content import NAME, add_blob, add_manifest, digest

ALICE = Caller("alice", "192.0.2.1", "r-1")


def entries(database: Database, filter_: Filter | None = None, before: int = LARGEST, count: int = 100) -> list[str]:
    filter_ = filter_ or Filter()
    return [entry.action for entry in audit.page(database.reader(), filter_, before=before, count=count)]


def test_entries_are_listed_the_latest_first_page_by_page(database: Database) -> None:
    def unit(connection: Connection) -> None:
        audit.add(connection, ALICE, "manifest.push", "team/app", "v1", {"tags": ["v1"]})
        audit.add(connection, ALICE, "tag.delete", "team/app", "v1")
        audit.add(connection, Caller("bob"), "manifest.push", "team/other")

    database.write(unit)
    assert entries(database) == ["manifest.push", "tag.delete", "manifest.push"]
    (newest,) = audit.page(database.reader(), Filter(), before=LARGEST, count=1)
    assert entries(database, before=newest.id) == ["tag.delete", "manifest.push"]
    assert entries(database, Filter(account="alice")) == ["tag.delete", "manifest.push"]
    assert entries(database, Filter(repository="team/other")) == ["manifest.push"]
    assert entries(database, Filter(action="manifest")) == ["manifest.push"] * 2
    assert entries(database, Filter(action="manifest.push", account="alice")) == ["manifest.push"]
    assert entries(database, Filter(action="mani")) == []
    assert entries(database, Filter(since=newest.at + 1000)) == []
    oldest = audit.page(database.reader(), Filter(), before=LARGEST, count=3)[2]
    assert (oldest.account, oldest.address, oldest.request_id) == tuple(ALICE)[:3]
    assert (oldest.detail, oldest.times) == ('{"tags":["v1"]}', 1)


def test_the_oldest_go(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for number in range(20):
            audit.add(connection, ALICE, "blob.push", "a", str(number))

    database.write(unit)
    assert database.write(lambda connection: audit.trim(connection, 5)) == 15
    assert database.write(lambda connection: audit.trim(connection, 5)) == 0
    found = audit.page(database.reader(), Filter(), before=LARGEST, count=100)
    assert [entry.object for entry in found] == ["19", "18", "17", "16", "15"]


def test_an_empty_log_is_trimmed_too(database: Database) -> None:
    assert database.write(lambda connection: audit.trim(connection, 5)) == 0


def test_lists_hold_what_may_be_read(database: Database) -> None:
    names = ["a", "a/b", "a.b", "axb", "team/x", "team/x/y"]

    def unit(connection: Connection) -> None:
        for name in names:
            add_manifest(connection, RepositoryName.parse(name), f"image of {name}")

    database.write(unit)

    def listed(readable: str) -> list[str]:
        reader = database.reader()
        found = repositories.names(reader, last="", count=100, readable=readable)
        summaries = repositories.summaries(
            reader, text="", order=Order(), last=pages.start(Order()), count=100, readable=readable
        )
        assert [summary.name for summary in summaries] == found
        assert repositories.total(reader, "", readable) == len(found)
        return found

    assert listed("") == sorted(names)
    assert listed(NO_REPOSITORY) == []
    assert listed(any_of([r"a\.b"])) == ["a.b"]
    assert listed(any_of(["team/[^/]+", "a"])) == ["a", "team/x"]
    assert listed(both(any_of(["team/.+"]), any_of(["team/[^/]+"]))) == ["team/x"]


def test_a_blob_is_found_only_where_it_may_be_read(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "layer"))
    assert blobs.held_anywhere(database.reader(), digest("layer"))
    assert blobs.held_anywhere(database.reader(), digest("layer"), any_of([NAME.replace(".", r"\.")]))
    assert not blobs.held_anywhere(database.reader(), digest("layer"), any_of(["elsewhere"]))
    assert not blobs.held_anywhere(database.reader(), digest("layer"), NO_REPOSITORY)


def test_every_change_moves_the_revision(database: Database) -> None:
    seen = [accounts.revision(database.reader())]
    token = tokens.Token("t", "alice", "access", "", "[]", 1, None, None)

    def moved() -> bool:
        seen.append(accounts.revision(database.reader()))
        return seen[-1] > seen[-2]

    for change in (
        lambda connection: accounts.create(connection, "alice", "person", "hash", admin=False),
        lambda connection: accounts.set_password(connection, "alice", "another"),
        lambda connection: accounts.set_disabled(connection, "alice", disabled=True),
        lambda connection: accounts.create_group(connection, "dev"),
        lambda connection: accounts.join(connection, "dev", "alice"),
        lambda connection: accounts.leave(connection, "dev", "alice"),
        lambda connection: tokens.remove(connection, "t"),
        lambda connection: accounts.remove_group(connection, "dev"),
        lambda connection: accounts.remove(connection, "alice"),
    ):
        database.write(change)
        assert moved(), change
    database.write(lambda connection: tokens.create(connection, token, "hash"))
    assert not moved()  # nothing that is remembered gets wrong by it


def test_accounts_groups_and_tokens_are_what_was_written(database: Database) -> None:
    def unit(connection: Connection) -> None:
        assert accounts.create(connection, "alice", "person", "hash", admin=True)
        assert not accounts.create(connection, "alice", "person", "hash", admin=True)
        assert accounts.create_group(connection, "dev")
        assert not accounts.create_group(connection, "dev")
        assert accounts.join(connection, "dev", "alice")
        assert accounts.join(connection, "dev", "alice") is False
        assert accounts.join(connection, "ops", "alice") is None
        for number in range(5):
            row = tokens.Token(f"t{number}", "alice", "refresh", "", "[]", number, LARGEST, None)
            tokens.create(connection, row, f"hash {number}")
        tokens.keep_newest_refresh(connection, "alice", 2)
        tokens.used(connection, [("t4", 60_000), ("t3", 60_000)])
        tokens.used(connection, [("t4", 1)])

    database.write(unit)
    reader = database.reader()
    account = accounts.find(reader, "alice")
    assert account is not None
    assert (account.kind, account.password, account.admin, account.disabled_at) == ("person", "hash", True, None)
    assert accounts.groups_of(reader, "alice") == ["dev"]
    assert [group.members for group in accounts.every_group(reader)] == [["alice"]]
    assert [(token.id, token.last_used_at) for token in tokens.every(reader)] == [("t3", 60_000), ("t4", 60_000)]
    assert tokens.by_hash(reader, "hash 4") == tokens.by_id(reader, "t4")
    assert database.write(lambda connection: tokens.expire(connection, LARGEST)) == 0
    database.write(lambda connection: accounts.remove(connection, "alice"))
    assert accounts.groups_of(database.reader(), "alice") == []
    assert accounts.is_empty(database.reader())
