"""`orlop group`: accounts that a rule means together."""

import json

import click

from orlop.cli.client import json_option
from orlop.cli.user import on_store
from orlop.config import Settings


@click.group
def command() -> None:
    """Manage groups of accounts, which rules name as group:NAME."""


@command.command
@on_store
@click.argument("name")
def create(settings: Settings, name: str) -> None:
    """Make a group."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as accounts:
        accounts.create_group(COMMAND_LINE, name)
    click.echo(f"made {name}")


@command.command("list")
@on_store
@json_option
def list_groups(settings: Settings, as_json: bool) -> None:
    """List the groups with their members."""
    from orlop.cli.columns import Column, show
    from orlop.cli.store import open_accounts

    with open_accounts(settings) as accounts:
        groups = accounts.groups()
    if as_json:
        click.echo(
            json.dumps({"items": [{"name": group.name, "members": group.members} for group in groups]}, indent=2)
        )
        return
    if not groups:
        click.echo("there is no group yet: orlop group create NAME", err=True)
        return
    show([Column("GROUP"), Column("MEMBERS")], [[group.name, ", ".join(group.members)] for group in groups])


@command.command
@on_store
@click.argument("name")
def delete(settings: Settings, name: str) -> None:
    """Delete a group. Its members' accounts stay."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as accounts:
        accounts.delete_group(COMMAND_LINE, name)
    click.echo(f"deleted {name}")


@command.command
@on_store
@click.argument("group")
@click.argument("accounts", nargs=-1, required=True)
def add(settings: Settings, group: str, accounts: tuple[str, ...]) -> None:
    """Make accounts members of a group."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as store:
        for account in accounts:
            store.join(COMMAND_LINE, group, account)
            click.echo(f"{account} is in {group}")


@command.command
@on_store
@click.argument("group")
@click.argument("accounts", nargs=-1, required=True)
def remove(settings: Settings, group: str, accounts: tuple[str, ...]) -> None:
    """Take accounts out of a group."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as store:
        for account in accounts:
            store.leave(COMMAND_LINE, group, account)
            click.echo(f"{account} is not in {group}")
