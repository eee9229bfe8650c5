"""`orlop token`: what robots and programs sign in by, and the keys of the token service."""

import json
from typing import Any

import click

from orlop.cli.client import json_option
from orlop.cli.user import on_store
from orlop.config import Settings

LONGEST = 10 * 365


@click.group
def command() -> None:
    """Manage access tokens, and the keys that sign the token service's.

    Clients take an access token where they ask for a password.
    """


@command.command
@on_store
@click.argument("account")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="PATTERN:ACTIONS",
    help="What it is good for, as team/*:pull,push; may be given often.  [default: all that the account may do]",
)
@click.option("--days", type=click.IntRange(1, LONGEST), metavar="N", help="How long it is good.  [default: for ever]")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@json_option
def create(
    settings: Settings, account: str, scopes: tuple[str, ...], days: int | None, note: str, as_json: bool
) -> None:
    """Make a token, and print it: it is not shown again."""
    from orlop.cli.store import COMMAND_LINE, open_accounts, time_text
    from orlop.domain.access import Scope
    from orlop.domain.errors import AccountInvalid

    try:
        parsed = tuple(Scope.parse(text) for text in scopes)
    except ValueError as error:
        raise AccountInvalid(str(error)) from error
    lifetime = None if days is None else days * 86_400_000
    with open_accounts(settings) as accounts:
        made = accounts.create_token(COMMAND_LINE, account, note=note, scopes=parsed, lifetime=lifetime)
    if as_json:
        document = {"id": made.token.id, "token": made.secret, "expires_at": time_text(made.token.expires_at)}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(made.secret)
    click.echo(f"token {made.token.id} of {account}; sign in with: docker login -u {account} HOST", err=True)


@command.command("list")
@on_store
@click.argument("account", required=False, default="")
@json_option
def list_tokens(settings: Settings, account: str, as_json: bool) -> None:
    """List tokens, of one account or of all; `refresh` are those of clients that signed in by a password."""
    from orlop.cli.columns import Column, age, show
    from orlop.cli.store import open_accounts, time_text

    with open_accounts(settings) as accounts:
        found = accounts.tokens(account)
    items: list[dict[str, Any]] = [
        {
            "id": token.id,
            "account": token.account,
            "kind": token.kind,
            "note": token.note,
            "scopes": json.loads(token.scopes),
            "created_at": time_text(token.created_at),
            "expires_at": time_text(token.expires_at),
            "last_used_at": time_text(token.last_used_at),
        }
        for token in found
    ]
    if as_json:
        click.echo(json.dumps({"items": items}, indent=2))
        return
    if not items:
        click.echo("there is no token: orlop token create ACCOUNT", err=True)
        return
    titles = ("ID", "ACCOUNT", "KIND", "SCOPES", "CREATED", "EXPIRES", "USED", "NOTE")
    rows = [
        [
            item["id"],
            item["account"],
            item["kind"],
            " ".join(item["scopes"]) or "all",
            age(item["created_at"]),
            (item["expires_at"] or "never")[:10],
            age(item["last_used_at"]),
            item["note"],
        ]
        for item in items
    ]
    show([Column(title) for title in titles], rows)


@command.command
@on_store
@click.argument("token_id", metavar="ID")
def delete(settings: Settings, token_id: str) -> None:
    """Delete a token: it is good for nothing from then on, nor is what was made of it."""
    from orlop.cli.store import COMMAND_LINE, open_accounts

    with open_accounts(settings) as accounts:
        accounts.delete_token(COMMAND_LINE, token_id)
    click.echo(f"deleted {token_id}")


@command.command("rotate-keys")
@on_store
def rotate_keys(settings: Settings) -> None:
    """Make a new key for the token service. Tokens of the one before go on until they end; older keys go."""
    from orlop.cli.store import COMMAND_LINE, open_database

    with open_database(settings) as database:
        from orlop.auth.signing import rotate
        from orlop.database import audit
        from orlop.database.connection import Connection

        def unit(connection: Connection) -> str:
            key_id = rotate(connection)
            audit.add(connection, COMMAND_LINE, "key.rotate", object_=key_id)
            return key_id

        click.echo(f"tokens are signed by {database.write(unit)} from now on")
