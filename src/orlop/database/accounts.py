"""Accounts and groups, and the count of their changes."""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update

from orlop.database.connection import Connection
from orlop.database.schema import access_state, accounts, group_members, groups
from orlop.database.statement import Insert, Statement, parameters


class Account(NamedTuple):
    """`kind`: person or robot. `password`: a hash, None where there is none. Times in milliseconds since 1970."""

    name: str
    kind: str
    password: str | None
    admin: bool
    created_at: int
    disabled_at: int | None


class Group(NamedTuple):
    name: str
    members: list[str]
    created_at: int


def _change(insert_: Insert) -> Any:
    statement = insert_(access_state).values(id=1, revision=1)
    return statement.on_conflict_do_update(index_elements=["id"], set_={"revision": access_state.c.revision + 1})


_COLUMNS = [accounts.c[name] for name in Account._fields]
_FIND = Statement(lambda _: select(*_COLUMNS).where(accounts.c.name == bindparam("name")))
_ALL = Statement(lambda _: select(*_COLUMNS).order_by(accounts.c.name))
_ANY = Statement(lambda _: select(accounts.c.id).limit(1))
_CREATE = Statement(
    lambda insert_: (
        insert_(accounts).values(parameters(accounts, without=("id",))).on_conflict_do_nothing(index_elements=["name"])
    )
)
_PASSWORD = Statement(
    lambda _: update(accounts).where(accounts.c.name == bindparam("account")).values(password=bindparam("hashed"))
)
_DISABLE = Statement(
    lambda _: update(accounts).where(accounts.c.name == bindparam("account")).values(disabled_at=bindparam("at"))
)
_DELETE = Statement(lambda _: delete(accounts).where(accounts.c.name == bindparam("name")))

_GROUPS_OF = Statement(
    lambda _: (
        select(groups.c.name)
        .select_from(groups.join(group_members, group_members.c.group_id == groups.c.id))
        .where(group_members.c.account == bindparam("account"))
    )
)
_GROUP_ID = Statement(lambda _: select(groups.c.id).where(groups.c.name == bindparam("name")))
_GROUPS = Statement(
    lambda _: (
        select(groups.c.name, groups.c.created_at, group_members.c.account)
        .select_from(groups.outerjoin(group_members, group_members.c.group_id == groups.c.id))
        .order_by(groups.c.name, group_members.c.account)
    )
)
_CREATE_GROUP = Statement(
    lambda insert_: (
        insert_(groups).values(parameters(groups, without=("id",))).on_conflict_do_nothing(index_elements=["name"])
    )
)
_DELETE_GROUP = Statement(lambda _: delete(groups).where(groups.c.name == bindparam("name")))
_JOIN = Statement(
    lambda insert_: (
        insert_(group_members)
        .values(parameters(group_members))
        .on_conflict_do_nothing(index_elements=["group_id", "account"])
    )
)
_LEAVE = Statement(
    lambda _: delete(group_members).where(
        group_members.c.group_id == bindparam("group_id"), group_members.c.account == bindparam("account")
    )
)
_LEAVE_ALL = Statement(lambda _: delete(group_members).where(group_members.c.account == bindparam("account")))

_REVISION = Statement(lambda _: select(access_state.c.revision).where(access_state.c.id == 1))
_CHANGED = Statement(_change)


def find(connection: Connection, name: str) -> Account | None:
    row = connection.one(_FIND, name=name)
    return _account(row) if row else None


def every(connection: Connection) -> list[Account]:
    """All accounts, by name."""
    return [_account(row) for row in connection.all(_ALL)]


def is_empty(connection: Connection) -> bool:
    return connection.one(_ANY) is None


def create(connection: Connection, name: str, kind: str, password: str | None, *, admin: bool) -> bool:
    """False where there is one of that name."""
    created = connection.insert(
        _CREATE,
        name=name,
        kind=kind,
        password=password,
        admin=int(admin),
        created_at=connection.now(),
        disabled_at=None,
    )
    changed(connection)
    return created is not None


def set_password(connection: Connection, name: str, hashed: str) -> None:
    connection.run(_PASSWORD, account=name, hashed=hashed)
    changed(connection)


def set_disabled(connection: Connection, name: str, *, disabled: bool) -> None:
    connection.run(_DISABLE, account=name, at=connection.now() if disabled else None)
    changed(connection)


def remove(connection: Connection, name: str) -> bool:
    """With its memberships; False where there is none of that name."""
    leave_all(connection, name)
    return connection.run(_DELETE, name=name) > 0


def groups_of(connection: Connection, account: str) -> list[str]:
    return sorted(row[0] for row in connection.all(_GROUPS_OF, account=account))


def every_group(connection: Connection) -> list[Group]:
    """All groups with their members, by name."""
    found: dict[str, Group] = {}
    for name, created_at, member in connection.all(_GROUPS):
        group = found.setdefault(name, Group(name, [], created_at))
        if member is not None:
            group.members.append(member)
    return list(found.values())


def create_group(connection: Connection, name: str) -> bool:
    """False where there is one of that name."""
    changed(connection)
    return connection.insert(_CREATE_GROUP, name=name, created_at=connection.now()) is not None


def remove_group(connection: Connection, name: str) -> bool:
    changed(connection)
    return connection.run(_DELETE_GROUP, name=name) > 0


def join(connection: Connection, group: str, account: str) -> bool | None:
    """Whether the account was no member before; None where there is no such group."""
    row = connection.one(_GROUP_ID, name=group)
    if row is None:
        return None
    changed(connection)
    return connection.run(_JOIN, group_id=row[0], account=account) > 0


def leave(connection: Connection, group: str, account: str) -> bool | None:
    """Whether the account was a member; None where there is no such group."""
    row = connection.one(_GROUP_ID, name=group)
    if row is None:
        return None
    changed(connection)
    return connection.run(_LEAVE, group_id=row[0], account=account) > 0


def leave_all(connection: Connection, account: str) -> int:
    """Ends every membership of the account; how many there were."""
    changed(connection)
    return connection.run(_LEAVE_ALL, account=account)


def revision(connection: Connection) -> int:
    """How often anything that decides about access has changed."""
    row = connection.one(_REVISION)
    return int(row[0]) if row else 0


def changed(connection: Connection) -> None:
    """Tells every server on this database that what it remembers may be wrong."""
    connection.run(_CHANGED)


def _account(row: Any) -> Account:
    name, kind, password, admin, created_at, disabled_at = row
    return Account(name, kind, password, bool(admin), created_at, disabled_at)
