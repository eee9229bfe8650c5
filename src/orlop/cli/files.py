"""`orlop files`: what is in an image."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from orlop.cli.client import PAGE, Client, Where, client_for, json_option, server_option
from orlop.cli.images import (
    ask,
    image_options,
    mode_text,
    parse_image,
    path_in,
    path_of,
    path_text,
    ref_argument,
    time_text,
)

DEPTH = 2
MOST_LINES = 500


@click.command("files")
@ref_argument
@click.argument("path", default="/")
@click.option("-R", "--recursive", is_flag=True, help="A directory with all below it.")
@click.option("--tree", is_flag=True, help="Draw the directory as a tree.")
@click.option("--depth", metavar="N", type=click.IntRange(1, 1000), help="How many levels.  [with --tree: 2]")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="How many at most.  [with --tree: 500]")
@image_options
@server_option
@json_option
def command(
    ref: str,
    path: str,
    recursive: bool,
    tree: bool,
    depth: int | None,
    limit: int | None,
    platform: str,
    wait: float,
    server: str | None,
    as_json: bool,
) -> None:
    """List what is in the image REF, [HOST[:PORT]/]NAME[:TAG][@DIGEST], at PATH, as `ls -l` does.

    Links on the way are followed inside the image. Nothing is pulled.
    """
    where = parse_image(ref)
    client = client_for(server, where)
    if tree and not as_json:
        recursive, depth, limit = True, depth or DEPTH, limit or MOST_LINES
    told = {"recursive": "true" if recursive or depth else "", "depth": str(depth or ""), "platform": platform}
    page = ask(client, where, wait, lambda: _first_page(client, where, path, limit, told))
    items = _Limited(iter(()) if page["items"] is None else client.items_of(page), limit)
    if as_json:
        listed = None if page["items"] is None else list(items)
        told = {key: page[key] for key in ("image", "path", "entry", "step")}
        click.echo(json.dumps(told | {"items": listed}, indent=2))
    elif page["items"] is None:
        _list([page["entry"]], whole=True)
    elif tree:
        _draw(page["entry"], list(items))
    else:
        _list(items, whole=recursive or depth is not None)
    if items.has_more and not as_json:
        click.echo("… and more: --limit N shows more, and a PATH further down less", err=True)


class _Limited:
    """The first items; `has_more` once they were taken."""

    def __init__(self, items: Iterator[dict[str, Any]], limit: int | None) -> None:
        self._items = items
        self._limit = limit
        self.has_more = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from islice(self._items, self._limit)
        self.has_more = self._limit is not None and next(self._items, None) is not None


def _first_page(client: Client, where: Where, path: str, limit: int | None, told: dict[str, str]) -> dict[str, Any]:
    """What is at the path; of a directory, the first page of what is in it."""
    end, parameters = path_in(path)
    stat = client.get(path_of(where, "files") + end, stat="true", platform=told["platform"], **parameters)
    if stat["entry"]["type"] != "directory":
        # A link at the very end is shown as what it is, as ls does.
        return client.get(
            path_of(where, "files") + end, stat="true", follow="false", platform=told["platform"], **parameters
        )
    size = str(min((limit or PAGE) + 1, PAGE))
    return client.get(path_of(where, "files") + end, n=size, **told, **parameters)


def _list(items: Iterable[dict[str, Any]], *, whole: bool) -> None:
    widths = [0, 0]
    rest = iter(items)
    while batch := list(islice(rest, PAGE)):
        rows = [(_owner(item), str(item["size"])) for item in batch]
        widths = [max(width, *(len(row[place]) for row in rows)) for place, width in enumerate(widths)]
        for item, (owner, size) in zip(batch, rows, strict=True):
            click.echo(
                f"{mode_text(item)} {owner.ljust(widths[0])} {size.rjust(widths[1])} {time_text(item['mtime'])} "
                f"{_named(item, whole=whole)}"
            )


def _owner(item: dict[str, Any]) -> str:
    return f"{item['uid']}:{item['gid']}"


def _named(item: dict[str, Any], *, whole: bool) -> str:
    path = path_text(item)
    name = path if whole else path.rpartition("/")[2] or path
    if item["link"] is None:
        return name
    arrow = " -> " if item["type"] == "symlink" else " link to "
    return f"{name}{arrow}{path_text(item, 'link')}"


def _draw(top: dict[str, Any], items: list[dict[str, Any]]) -> None:
    """The tree: each line with what leads to it from above."""
    from orlop.cli.columns import size

    click.echo(path_text(top))
    first = min((_depth(item) for item in items), default=0)
    lines: list[str] = []
    going_on: set[int] = set()  # levels that have more to come, seen from below
    for item in reversed(items):
        depth = _depth(item)
        lead = "".join("│   " if level in going_on else "    " for level in range(first, depth))
        branch = "├── " if depth in going_on else "└── "
        mark = "/" if item["type"] == "directory" else ""
        told = f"  {size(item['size'])}" if item["type"] == "file" else ""
        lines.append(f"{lead}{branch}{_named(item, whole=False)}{mark}{told}")
        going_on = {level for level in going_on if level < depth} | {depth}
    click.echo("\n".join(reversed(lines)))


def _depth(item: dict[str, Any]) -> int:
    depth: int = item["path"].count("/")
    return depth
