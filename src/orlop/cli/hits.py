"""What a search has found, from the server and for people: pages that follow one another, and images in few words."""

import shlex
import time
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import click

from orlop.cli.client import Client
from orlop.cli.columns import counted
from orlop.cli.images import escaped, image_text

PATIENCE = 10.0
"""Seconds of pages without enough hits."""
LARGEST_PAGE = 1000


class Hits(NamedTuple):
    items: list[dict[str, Any]]
    last: str
    """Where the search goes on; empty where there is no more."""
    pending: int
    """Images that are not indexed yet."""

    @property
    def document(self) -> dict[str, Any]:
        return {"items": self.items, "last": self.last or None, "pending": self.pending}


def search(client: Client, limit: int, **parameters: str) -> Hits:
    """Up to `limit` hits; what is very rare is looked for page by page."""
    deadline = time.monotonic() + PATIENCE
    items: list[dict[str, Any]] = []
    while True:
        page = client.get("/api/v1/search", n=str(min(limit - len(items), LARGEST_PAGE)), **parameters)
        items += page["items"]
        last = parse_qs(urlsplit(page["next"] or "").query).get("last", [""])[0]
        if not last or len(items) >= limit or time.monotonic() > deadline:
            return Hits(items, last, page["pending"])
        parameters["last"] = last


def images_text(item: dict[str, Any], most: int = 3) -> str:
    """`app:1.0, app:1.1 +12`."""
    shown = item["images"][:most]
    left = item["image_count"] - len(shown)
    names = ", ".join(image_text(_short(image)) for image in shown)
    return escaped(names) + (f" +{left}" if left > 0 else "") + (" and more" if item["more"] else "")


def command_for(item: dict[str, Any], server: str) -> str:
    """What fetches a hit. `server`: empty where it need not be told."""
    image, words = item["images"][0], ["orlop", "files" if item["kind"] == "directory" else "cat"]
    words += [image_text(image), item["path"]]
    words += ["--platform", image["platform"]] if image["platform"] not in (None, "linux/amd64") else []
    words += ["--server", server] if server else []
    return shlex.join(words)


def server_given() -> str:
    """The server, where it was told on the command line and so must be the next time."""
    context = click.get_current_context()
    source = context.get_parameter_source("server")
    given = source is not None and source.name == "COMMANDLINE"
    return context.params["server"] or "" if given else ""


def say_what_is_left(hits: Hits, again: list[str]) -> None:
    """`again`: the words that begin the same search."""
    if hits.pending:
        least = " or more" if hits.pending >= LARGEST_PAGE else ""
        noun = counted(hits.pending, "image").partition(" ")[2]
        verb = "is" if hits.pending == 1 else "are"
        click.echo(f"{hits.pending}{least} {noun} {verb} not indexed yet", err=True)
    if hits.last:
        click.echo(f"there may be more: {shlex.join([*again, '--last', hits.last])}", err=True)


def _short(image: dict[str, Any]) -> dict[str, Any]:
    """A digest that only has to be known again."""
    algorithm, colon, digits = image["reference"].partition(":")
    return image | {"reference": f"{algorithm}:{digits[:12]}"} if colon else image
