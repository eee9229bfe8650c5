"""`orlop find`: files, packages, labels, tags and repositories, across all images."""

import json
import re
import shutil
from typing import Any

import click

from orlop.cli.client import Client, client_for, json_option, server_option
from orlop.cli.hits import Hits, command_for, images_text, say_what_is_left, search, server_given
from orlop.cli.images import escaped, path_text, step_text

TYPES = ("names", "tags", "labels", "files", "packages")
DIGITS = 12
"""Of a layer's digest."""
NARROWEST = 16
"""Columns for a command that are worth a place on the line of the images."""

_PACKAGES = re.compile(r"pkg:|[^/]*[^/\s]\s*[<>=]=?\s*[0-9v]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{2,}")

EPILOG = """\b
Examples:
  orlop find libssl.so              names that hold it
  orlop find bin/python             paths that hold it
  orlop find /etc/nginx/nginx.conf  this very path
  orlop find name:id_rsa            this very name
  orlop find '*.pem' --in 'team/**'
  orlop find sha256:…               files of this content
  orlop find 'openssl < 3.0.13'     packages
  orlop find org.opencontainers.image.source --type labels
"""


@click.command("find", epilog=EPILOG)
@click.argument("text")
@click.option("--type", "kind", type=click.Choice(TYPES), help="What is looked at.  [default: files]")
@click.option("--in", "within", metavar="NAME", help="Only this repository; team/* and team/** name several.")
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How many hits at most.",
)
@click.option("--last", metavar="CURSOR", help="Go on there; the end of a search tells it.")
@server_option
@json_option
def command(
    text: str, kind: str | None, within: str | None, limit: int, last: str | None, server: str | None, as_json: bool
) -> None:
    """Find TEXT in all images that you may read.

    In files: a path from / on, a pattern with * ? [], a content digest, or a part of a name, of three characters or
    more. Files that a later layer deletes or replaces are not found in its images.
    """
    chosen = kind or ("packages" if _PACKAGES.match(text) else "files")
    client = client_for(server)
    hits = search(client, limit, q=text, type=chosen, last=last or "", **{"in": within or ""})
    if as_json:
        click.echo(json.dumps(hits.document, indent=2))
        return
    _SHOW[chosen](hits.items)
    _say_what_else(client, text, chosen if kind is None else "", within or "", hits)
    again = ["orlop", "find", text, *(["--type", kind] if kind else []), *(["--in", within] if within else [])]
    say_what_is_left(hits, again)


def _show_files(items: list[dict[str, Any]]) -> None:
    width = shutil.get_terminal_size((80, 24)).columns
    for item in items:
        _show_file(item, width)
    if items:
        first = next((item for item in items if item["path"].isprintable() and not item["path_b64"]), None)
        if first is not None:
            click.echo(f"\n{command_for(first, server_given())}")


def _show_file(item: dict[str, Any], width: int) -> None:
    """Two lines: the path with its size; the images, with the layer and the command that made it."""
    from orlop.cli.columns import size

    path = path_text(item) + ("/" if item["kind"] == "directory" and item["path"] != "/" else "")
    if item["link"]:
        path += f" -> {path_text(item, 'link')}"
    told = size(item["size"]) if item["kind"] == "file" else item["kind"]
    click.echo(f"{path}  {told.rjust(width - len(path) - 2)}")
    images = images_text(item)
    layer = item["layer"].partition(":")[2][:DIGITS]
    left = width - len(images) - DIGITS - 6
    if left >= NARROWEST:
        click.echo(f"  {images}  {layer}  {step_text(item['step'], left)}")
    else:
        click.echo(f"  {images}\n  {layer}  {step_text(item['step'], width - DIGITS - 4)}")


def show_packages(items: list[dict[str, Any]]) -> None:
    from orlop.cli.columns import Column, show

    if items:
        columns = [Column(title) for title in ("PACKAGE", "VERSION", "ECOSYSTEM", "SOURCE", "IMAGES")]
        show(columns, ([*package_cells(item), images_text(item, 2)] for item in items))


def package_cells(item: dict[str, Any]) -> list[str]:
    """Name, version, ecosystem and, where it is another, the source."""
    version = item["source_version"]
    source = "" if item["source"] == item["name"] else item["source"]
    told = f"{source} {version}" if source and version not in ("", item["version"]) else source
    return [item["name"], item["version"], item["ecosystem"], told or "-"]


def _show_labels(items: list[dict[str, Any]]) -> None:
    for item in items:
        click.echo(escaped(f"{item['key']}={item['value']}"))
        click.echo(f"  {images_text(item)}")


def _show_tags(items: list[dict[str, Any]]) -> None:
    from orlop.cli.columns import Column, show

    if items:
        rows = ([f"{item['repository']}:{item['tag']}", item["digest"][: len("sha256:") + DIGITS]] for item in items)
        show([Column("TAG"), Column("DIGEST")], rows)


def _show_names(items: list[dict[str, Any]]) -> None:
    for item in items:
        click.echo(item["repository"])


_SHOW = {
    "names": _show_names,
    "tags": _show_tags,
    "labels": _show_labels,
    "files": _show_files,
    "packages": show_packages,
}


def _say_what_else(client: Client, text: str, chosen: str, within: str, hits: Hits) -> None:
    """Where nobody said what is looked at, something else may be meant."""
    if not hits.items and not hits.last:
        remedy = ": without the first / it is looked for anywhere" if text.startswith("/") and "*" not in text else ""
        click.echo(f"nothing is found{remedy}", err=True)
    if chosen == "files" and _NAME.fullmatch(text):
        packages = client.get("/api/v1/search", q=text, type="packages", n="1", **{"in": within})["items"]
        if packages:
            click.echo(f"there are packages of that name, too: orlop find {text} --type packages", err=True)
