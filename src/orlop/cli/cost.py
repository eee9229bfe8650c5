"""`orlop cost`: what pulling an image costs."""

import json
from typing import Any

import click

from orlop.cli.client import client_for, json_option, server_option
from orlop.cli.images import image_text, parse_image, path_of, ref_argument, step_text
from orlop.cli.names import nearest_name

MOST_TAGS = 10_000


@click.command("cost")
@ref_argument
@click.option("--have", metavar="REF", help="An image that is there already; :TAG or @DIGEST of the same repository.")
@click.option("--platform", metavar="OS/ARCH", default="", help="Of an image for several platforms, the one for this.")
@server_option
@json_option
def command(ref: str, have: str | None, platform: str, server: str | None, as_json: bool) -> None:
    """Show what pulling the image REF costs, by layer, and how many tags need each layer."""
    where = parse_image(ref)
    there = None
    if have is not None:
        there = parse_image(where.name + have if have.startswith((":", "@")) else have)
        if there.host not in ("", where.host):
            raise click.UsageError(f"{ref} and {have} are on two servers: only images on one can be compared")
    client = client_for(server, where)
    with nearest_name(client, where):
        found = client.get(path_of(where, "cost"), have=there.plain if there else "", platform=platform)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    from orlop.cli.columns import Column, show, size

    had = f", {size(found['had'])} of layers are there already" if found["have"] else ""
    click.echo(f"{image_text(found['image'])}: {size(found['download'])} to pull{had}\n")
    rows = [
        [layer["digest"][:19], size(layer["size"]), "there" if layer["had"] else "pulled", _tags(layer["tags"]),
         step_text(layer["step"])]
        for layer in found["layers"]
    ]  # fmt: skip
    columns = [Column("LAYER"), Column("SIZE", right=True), Column("IS"), Column("TAGS", right=True), Column("STEP")]
    show(columns, rows)


def _tags(count: int) -> str:
    return f"{count} or more" if count >= MOST_TAGS else str(count)
