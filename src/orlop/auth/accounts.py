"""Accounts, groups and tokens as an operator handles them. Each change stands in the audit log."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from orlop.auth import passwords, tokens
from orlop.auth.policy import Subject
from orlop.database import accounts, audit
from orlop.database import tokens as rows
from orlop.database.accounts import Account, Group
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.tokens import Token
from orlop.domain.access import AccountName, Scope
from orlop.domain.caller import Caller
from orlop.domain.errors import AccountInvalid, AccountUnknown

PERSON, ROBOT = "person", "robot"
ACCESS, REFRESH = "access", "refresh"
MOST_NOTE = 200
MOST_REFRESH = 100
"""Refresh tokens that an account keeps: the newest."""


class Made(NamedTuple):
    """A new token. `secret` is shown now, and never again: only its hash is kept."""

    token: Token
    secret: str


class Accounts:
    """`exists` says whether an account is known from elsewhere, as from a htpasswd file."""

    def __init__(self, database: Database, exists: Callable[[str], bool] = lambda name: False) -> None:
        self._database = database
        self._elsewhere = exists

    def every(self) -> list[Account]:
        return accounts.every(self._database.reader())

    def create(self, caller: Caller, name: str, password: str | None, *, admin: bool = False) -> None:
        """A person with a password, or a robot, which has none and signs in by tokens.

        AccountInvalid: there is one of that name, or the name or the password cannot be.
        """
        checked = _name(name)
        hashed = passwords.hash_password(password) if password is not None else None
        kind = PERSON if hashed else ROBOT

        def unit(connection: Connection) -> None:
            if not accounts.create(connection, checked, kind, hashed, admin=admin):
                raise AccountInvalid(f"there is an account {checked} already")
            if not self._elsewhere(checked):
                # Of a namesake that a htpasswd file does not have any more: a new account inherits nothing.
                rows.remove_all(connection, checked)
                accounts.leave_all(connection, checked)
            audit.add(connection, caller, "account.create", object_=checked, detail={"kind": kind, "admin": admin})

        self._database.write(unit)

    def set_password(self, caller: Caller, name: str, password: str) -> None:
        """Clients that signed in with the old one must sign in again; access tokens go on."""
        hashed = passwords.hash_password(password)

        def unit(connection: Connection) -> None:
            account = _find(connection, name)
            if account.kind == ROBOT:
                raise AccountInvalid(f"{name} is a robot, which has no password: `orlop token create {name}`")
            accounts.set_password(connection, name, hashed)
            rows.keep_newest_refresh(connection, name, 0)
            audit.add(connection, caller, "account.password", object_=name)

        self._database.write(unit)

    def set_disabled(self, caller: Caller, name: str, *, disabled: bool) -> None:
        """A disabled account can do nothing; its tokens are good again once it is enabled."""

        def unit(connection: Connection) -> None:
            _find(connection, name)
            accounts.set_disabled(connection, name, disabled=disabled)
            audit.add(connection, caller, "account.disable" if disabled else "account.enable", object_=name)

        self._database.write(unit)

    def delete(self, caller: Caller, name: str) -> None:
        """With its tokens and memberships. What it pushed stays."""

        def unit(connection: Connection) -> None:
            _find(connection, name)
            rows.remove_all(connection, name)
            accounts.remove(connection, name)
            audit.add(connection, caller, "account.delete", object_=name)

        self._database.write(unit)

    def subject(self, name: str, *, since: float | None = None) -> Subject | None:
        """The account of that name as it is now; None where there is none, or it is disabled.

        `since`: in seconds since 1970; an account that was made later is another one of that name.
        """
        reader = self._database.reader()
        account = accounts.find(reader, name)
        if account is None and not self._elsewhere(name):
            return None
        if account is not None and account.disabled_at is not None:
            return None
        if account is not None and since is not None and account.created_at > since * 1000:
            return None
        admin = account is not None and account.admin
        return Subject(name, frozenset(accounts.groups_of(reader, name)), admin)

    def groups(self) -> list[Group]:
        return accounts.every_group(self._database.reader())

    def create_group(self, caller: Caller, name: str) -> None:
        checked = _name(name)

        def unit(connection: Connection) -> None:
            if not accounts.create_group(connection, checked):
                raise AccountInvalid(f"there is a group {checked} already")
            audit.add(connection, caller, "group.create", object_=checked)

        self._database.write(unit)

    def delete_group(self, caller: Caller, name: str) -> None:
        def unit(connection: Connection) -> None:
            if not accounts.remove_group(connection, name):
                raise AccountUnknown(f"there is no group {name}")
            audit.add(connection, caller, "group.delete", object_=name)

        self._database.write(unit)

    def join(self, caller: Caller, group: str, name: str) -> bool:
        """Whether the account was no member before."""
        return self._member(caller, group, name, accounts.join, "group.add")

    def leave(self, caller: Caller, group: str, name: str) -> bool:
        """Whether the account was a member."""
        return self._member(caller, group, name, accounts.leave, "group.remove")

    def tokens(self, name: str = "") -> list[Token]:
        """Of one account, or of all."""
        return rows.every(self._database.reader(), name)

    def create_token(
        self,
        caller: Caller,
        name: str,
        *,
        note: str = "",
        scopes: tuple[Scope, ...] = (),
        lifetime: int | None = None,
        kind: str = ACCESS,
    ) -> Made:
        """A token for the account, good for `scopes` (none: all that it may do) and `lifetime` milliseconds."""
        if len(note) > MOST_NOTE or not note.isprintable():
            raise AccountInvalid(f"the note is longer than {MOST_NOTE} characters, or cannot be printed")
        secret = tokens.new_token()

        def unit(connection: Connection) -> Token:
            if accounts.find(connection, name) is None and not self._elsewhere(name):
                raise AccountUnknown(f"there is no account {name}: `orlop user list` shows all")
            now = connection.now()
            made = Token(
                id=tokens.new_id(),
                account=name,
                kind=kind,
                note=note,
                scopes=msgspec.json.encode([str(scope) for scope in scopes]).decode(),
                created_at=now,
                expires_at=None if lifetime is None else now + lifetime,
                last_used_at=None,
            )
            rows.create(connection, made, tokens.hash_token(secret))
            if kind == REFRESH:
                rows.keep_newest_refresh(connection, name, MOST_REFRESH)
            about: dict[str, Any] = {"account": name, "scopes": [str(scope) for scope in scopes]}
            audit.add(connection, caller, f"token.{'create' if kind == ACCESS else 'sign-in'}", "", made.id, about)
            return made

        return Made(self._database.write(unit), secret)

    def delete_token(self, caller: Caller, token_id: str) -> None:
        def unit(connection: Connection) -> None:
            token = rows.by_id(connection, token_id, alive=False)
            if not rows.remove(connection, token_id):
                raise AccountUnknown(f"there is no token {token_id}: `orlop token list` shows all")
            audit.add(connection, caller, "token.delete", "", token_id, {"account": token.account if token else ""})

        self._database.write(unit)

    def expire_tokens(self) -> int:
        """Drops tokens a day after their time is over; how many."""
        return self._database.write(lambda connection: rows.expire(connection, connection.now() - 86_400_000))

    def _member(
        self, caller: Caller, group: str, name: str, change: Callable[[Connection, str, str], bool | None], action: str
    ) -> bool:
        def unit(connection: Connection) -> bool:
            if accounts.find(connection, name) is None and not self._elsewhere(name):
                raise AccountUnknown(f"there is no account {name}: `orlop user list` shows all")
            changed = change(connection, group, name)
            if changed is None:
                raise AccountUnknown(f"there is no group {group}: `orlop group list` shows all")
            if changed:
                audit.add(connection, caller, action, object_=group, detail={"account": name})
            return changed

        return self._database.write(unit)


def scopes_of(token: Token) -> tuple[Scope, ...]:
    return tuple(Scope.parse(text) for text in msgspec.json.decode(token.scopes, type=list[str]))


def _name(text: str) -> AccountName:
    try:
        return AccountName.parse(text)
    except ValueError as error:
        raise AccountInvalid(str(error)) from error


def _find(connection: Connection, name: str) -> Account:
    found = accounts.find(connection, name)
    if found is None:
        raise AccountUnknown(f"there is no account {name}: `orlop user list` shows all")
    return found
