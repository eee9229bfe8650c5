"""`orlop tag`: the tags of a repository."""

import json
from typing import Any
from urllib.parse import quote

import click

from orlop.cli.client import Where, client_for, json_option, parse_where, server_option
from orlop.cli.names import nearest_name

SHORT_DIGEST = len("sha256:") + 12


@click.group
def command() -> None:
    """List or delete the tags of a repository."""


@command.command("list")
@click.argument("repository")
@server_option
@click.option("--filter", "text", metavar="TEXT", help="Only those whose name holds this text.")
@click.option("--sort", metavar="ORDER", help="name, updated, pulled or size; -updated for the latest first.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="How many at most.")
@json_option
def list_tags(
    repository: str, server: str | None, text: str | None, sort: str | None, limit: int | None, as_json: bool
) -> None:
    """List the tags of REPOSITORY: NAME or HOST[:PORT]/NAME."""
    where = parse_where(repository)
    if where.tag or "@" in where.name:
        raise click.UsageError(f"{repository} names more than a repository: write {where.name.partition('@')[0]}")
    client = client_for(server, where)
    with nearest_name(client, where):
        items = list(client.items(_path(where), limit, filter=text or "", sort=sort or ""))
    if as_json:
        click.echo(json.dumps({"items": items}, indent=2))
        return
    from orlop.cli.columns import Column, show

    if not items:
        click.echo(f"{where.name} has no such tag" if text else f"{where.name} has no tag", err=True)
        return
    texts = [Column("TAG"), Column("DIGEST"), Column("PLATFORMS")]
    columns = [*texts, Column("SIZE", right=True), Column("PUSHED"), Column("PULLED")]
    show(columns, map(_row, items))


@command.command("delete")
@click.argument("ref")
@server_option
@click.option("--dry-run", is_flag=True, help="Tell what would happen, and change nothing.")
@json_option
def delete_tag(ref: str, server: str | None, dry_run: bool, as_json: bool) -> None:
    """Delete the tag REF: NAME:TAG or HOST[:PORT]/NAME:TAG. Its manifest and other tags on it stay."""
    where = parse_where(ref)
    if "@" in where.name:
        raise click.UsageError(f"{ref} names a digest, and only a tag can be deleted: write NAME:TAG")
    if not where.tag:
        raise click.UsageError(f"{ref} names no tag: write {ref}:TAG")
    client = client_for(server, where)
    path = f"{_path(where)}/{quote(where.tag, safe='')}"
    with nearest_name(client, where):
        done = client.delete(path, dry_run="true" if dry_run else "")
    if as_json:
        click.echo(json.dumps(done, indent=2))
        return
    click.echo(f"{'would delete' if dry_run else 'deleted'} {where.name}:{where.tag}")
    click.echo(f"  it named {done['digest']}, which stays and can be pulled by that digest")
    if done["freed"]:
        from orlop.cli.columns import size

        click.echo(f"  nothing else keeps {size(done['freed'])}: freed once that manifest is collected or deleted, too")
    if done["siblings"]:
        click.echo(f"  these tags are on it too, and stay: {_some(done['siblings'], done['sibling_count'])}")


def _path(where: Where) -> str:
    return f"/api/v1/repositories/{quote(where.name)}/-/tags"


def _row(item: dict[str, Any]) -> list[str]:
    from orlop.cli.columns import age, size

    return [
        item["name"],
        item["digest"][:SHORT_DIGEST],
        ",".join(item["platforms"]) or item["artifact_type"] or "-",
        size(item["size"]),
        age(item["updated_at"]),
        age(item["last_pulled_at"]),
    ]


def _some(names: list[str], count: int) -> str:
    shown = names[:10]
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
