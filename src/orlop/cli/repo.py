"""`orlop repo`: the repositories of a registry."""

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from orlop.cli.client import client_for, json_option, parse_where, server_option
from orlop.cli.names import nearest_name


@click.group
def command() -> None:
    """List or delete the repositories of a registry."""


@command.command("list")
@server_option
@click.option("--filter", "text", metavar="TEXT", help="Only those whose name holds this text.")
@click.option("--sort", metavar="ORDER", help="name or pushed; -pushed for the latest first.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="How many at most.")
@json_option
def list_repositories(server: str | None, text: str | None, sort: str | None, limit: int | None, as_json: bool) -> None:
    """List the repositories with what they hold."""
    client = client_for(server)
    items = list(client.items("/api/v1/repositories", limit, filter=text or "", sort=sort or ""))
    if as_json:
        click.echo(json.dumps({"items": items}, indent=2))
        return
    from orlop.cli.columns import Column, show

    if not items:
        click.echo("there is no such repository" if text else "there is no repository yet", err=True)
        return
    numbers = [Column("TAGS", right=True), Column("SIZE", right=True)]
    columns = [Column("REPOSITORY"), *numbers, Column("PUSHED"), Column("PULLED")]
    show(columns, map(_row, items))


@command.command("delete")
@click.argument("repository")
@server_option
@click.option("--dry-run", is_flag=True, help="Tell what would happen, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def delete_repository(repository: str, server: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete REPOSITORY, NAME or HOST[:PORT]/NAME, with all its tags and manifests."""
    where = parse_where(repository)
    if where.tag or "@" in where.name:
        raise click.UsageError(f"{repository} names more than a repository: `orlop tag delete` deletes a tag")
    client = client_for(server, where)
    path = f"/api/v1/repositories/{quote(where.name)}/-"
    with nearest_name(client, where):
        done = client.delete(path, dry_run="true")
    if not dry_run:
        if not yes:
            _confirm(where.name, done)
        done = client.delete(path)
    if as_json:
        click.echo(json.dumps(done, indent=2))
    else:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {_held(where.name, done)}")


def _confirm(name: str, held: dict[str, Any]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{name} would be gone for good: pass --yes, or --dry-run to see what it holds")
    click.echo(f"this deletes {_held(name, held)}", err=True)
    click.confirm("Delete it?", abort=True, err=True)


def _held(name: str, held: dict[str, Any]) -> str:
    from orlop.cli.columns import counted, size

    parts = ", ".join(counted(held[f"{noun}s"], noun) for noun in ("tag", "manifest", "blob"))
    return f"{name}: {parts}; a collection then frees {size(held['freed'])} that nothing else needs"


def _row(item: dict[str, Any]) -> list[str]:
    from orlop.cli.columns import age, size

    return [item["name"], str(item["tags"]), size(item["size"]), age(item["pushed_at"]), age(item["last_pulled_at"])]
