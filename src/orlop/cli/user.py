"""`orlop user`: the accounts of people and robots."""

import json
from typing import Any

import click

from orlop.cli.client import json_option
from orlop.cli.settings import settings_options
from orlop.config import Settings

on_store = settings_options("data", "storage.url", "database.url")
password_option = click.option(
    "--password-file", metavar="FILE", help="Read the password from there; - is standard input.  [default: ask]"
)


@click.group
def command() -> None:
    """Manage the accounts of people and robots.

    These commands change the database itself, whether or not a server runs on it; that notices within a second.
    """


@command.command
@on_store
@click.argument("name")
@click.option("--robot", is_flag=True, help="For a program: without a password, it signs in by tokens.")
@click.option("--admin", is_flag=True, help="May do everything.")
@password_option
def create(settings: Settings, name: str, robot: bool, admin: bool, password_file: str | None) -> None:
    """Make an account."""
    from orlop.cli.store import COMMAND_LINE, hint_mode, note_accounts, open_accounts, read_password

    if robot and password_file is not None:
        raise click.UsageError("a robot has no password")
    password = None if robot else read_password(password_file)
    with open_accounts(settings, make=True) as accounts:
        accounts.create(COMMAND_LINE, name, password, admin=admin)
    note_accounts(settings)
    click.echo(f"made {name}" + (f"; give it a token: orlop token create {name}" if robot else ""))
    hint_mode(settings)


@command.command("list")
@on_store
@json_option
def list_users(settings: Settings, as_json: bool) -> None:
    """List the accounts. Those of a htpasswd file stand in that file."""
    from orlop.cli.columns import Column, age, show
    from orlop.cli.store import open_accounts, time_text

    with open_accounts(settings) as accounts:
        found, groups = accounts.every(), accounts.groups()
    items: list[dict[str, Any]] = [
        {
            "name": account.name,
            "kind": account.kind,
            "admin": account.admin,
            "groups": [group.name for group in groups if account.name in group.members],
            "created_at": time_text(account.created_at),
            "disabled_at": time_text(account.disabled_at),
        }
        for account in found
    ]
    if as_json:
        click.echo(json.dumps({"items": items}, indent=2))
        return
    if not items:
        click.echo("there is no account yet: orlop user create NAME --admin", err=True)
        return
    columns = [Column(title) for title in ("NAME", "KIND", "ADMIN", "GROUPS", "CREATED", "DISABLED")]
    rows = [
        [
            item["name"],
            item["kind"],
            "yes" if item["admin"] else "",
            ", ".join(item["groups"]),
            age(item["created_at"]),
            age(item["disabled_at"]) if item["disabled_at"] else "",
        ]
        for item in items
    ]
    show(columns, rows)


@command.command
@on_store
@click.argument("name")
def disable(settings: Settings, name: str) -> None:
    """Let an account do nothing until it is enabled again. Its tokens stay, and do nothing either."""
    _set_disabled(settings, name, disabled=True)


@command.command
@on_store
@click.argument("name")
def enable(settings: Settings, name: str) -> None:
    """Undo `disable`."""
    _set_disabled(settings, name, disabled=False)


@command.command
@on_store
@click.argument("name")
def delete(settings: Settings, name: str) -> None:
    """Delete an account with its tokens. What it pushed stays."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as accounts:
        accounts.delete(COMMAND_LINE, name)
    click.echo(f"deleted {name}")


@command.command
@on_store
@click.argument("name")
@password_option
def password(settings: Settings, name: str, password_file: str | None) -> None:
    """Set an account's password. Clients that signed in with the old one must do so again."""
    from orlop.cli.store import COMMAND_LINE, open_accounts, read_password

    new = read_password(password_file)
    with open_accounts(settings) as accounts:
        accounts.set_password(COMMAND_LINE, name, new)
    click.echo(f"set the password of {name}")


def _set_disabled(settings: Settings, name: str, *, disabled: bool) -> None:
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as accounts:
        accounts.set_disabled(COMMAND_LINE, name, disabled=disabled)
    click.echo(f"{'disabled' if disabled else 'enabled'} {name}")
