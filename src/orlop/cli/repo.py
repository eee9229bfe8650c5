"""`orlop repo`: the repositories of a registry."""

import json
from typing import Any

import click

from orlop.cli.client import client_for, json_option, server_option


@click.group
def command() -> None:
    """List the repositories of a registry."""


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


def _row(item: dict[str, Any]) -> list[str]:
    from orlop.cli.columns import age, size

    return [item["name"], str(item["tags"]), size(item["size"]), age(item["pushed_at"]), age(item["last_pulled_at"])]
