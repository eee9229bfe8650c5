"""`orlop waste`: what an image ships for nothing."""

import json
from typing import Any

import click

from orlop.cli.client import client_for, json_option, server_option
from orlop.cli.images import ask, image_options, image_text, parse_image, path_of, path_text, ref_argument, step_text

SHOWN = 10


@click.command("waste")
@ref_argument
@click.option(
    "-n", "--limit", metavar="N", type=click.IntRange(1, 1000), default=SHOWN, show_default=True, help="How many files."
)
@click.option("--live", is_flag=True, help="Name live files, too, whose names speak of keys or passwords.")
@image_options
@server_option
@json_option
def command(ref: str, limit: int, live: bool, platform: str, wait: float, server: str | None, as_json: bool) -> None:
    """Show what the image REF ships for nothing: files that a later layer deletes or replaces.

    They are pulled all the same, and whoever pulls can read them. Sizes are of unpacked content.
    """
    where = parse_image(ref)
    client = client_for(server, where)
    parameters = {"n": str(limit), "live": "true" if live else "", "platform": platform}
    found = ask(client, where, wait, lambda: client.get(path_of(where, "waste"), **parameters))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _summary(found)
    _files(found["files"])
    _secrets(found)


def _summary(found: dict[str, Any]) -> None:
    from orlop.cli.columns import Column, show, size

    live = found["shipped"] - found["wasted"]
    click.echo(
        f"{image_text(found['image'])}: {size(found['shipped'])} of files shipped, {size(live)} there at the top:"
        f" efficiency {found['efficiency']:.1f}%, {size(found['wasted'])} wasted\n"
    )
    rows = [
        [str(place), size(layer["shipped"]), size(layer["wasted"]), step_text(layer["step"])]
        for place, layer in enumerate(found["layers"])
    ]
    numbers = [Column("SHIPPED", right=True), Column("WASTED", right=True)]
    show([Column("LAYER", right=True), *numbers, Column("STEP")], rows)


def _files(files: list[dict[str, Any]]) -> None:
    from orlop.cli.columns import Column, show, size

    if not files:
        return
    click.echo("\nThe largest that are shipped for nothing:\n")
    rows = [
        [size(item["file"]["size"]), item["how"], path_text(item["file"]), step_text(item["step"])] for item in files
    ]
    show([Column("SIZE", right=True), Column("HOW"), Column("FILE"), Column("BY")], rows)


def _secrets(found: dict[str, Any]) -> None:
    if found["secrets"]:
        click.echo("\nDeleted or replaced, still shipped, and by their names keys or passwords:\n")
        for item in found["secrets"]:
            click.echo(f"  {path_text(item['file'])}  in layer {item['file']['layer']}")
        _rest(found["secret_count"] - len(found["secrets"]))
        click.echo("\nWhoever can pull the image can read them: make new ones, and build without copying them in.")
    if found["live_secrets"]:
        click.echo("\nThere at the top, and by their names keys or passwords:\n")
        for item in found["live_secrets"]:
            click.echo(f"  {path_text(item)}")
        _rest(found["live_secret_count"] - len(found["live_secrets"]))


def _rest(count: int) -> None:
    if count > 0:
        click.echo(f"  … and {count} more")
