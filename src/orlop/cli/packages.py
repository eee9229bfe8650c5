"""`orlop packages`: of one image, or across all images by a query."""

import itertools
import json

import click

from orlop.cli.client import PAGE, client_for, json_option, server_option
from orlop.cli.find import package_cells, show_packages
from orlop.cli.hits import say_what_is_left, search
from orlop.cli.images import ask, image_options, parse_image, path_of

EPILOG = """\b
Examples:
  orlop packages app:v2
  orlop packages app:v2 --ecosystem python --json
  orlop packages --query 'openssl < 3.0.13'
  orlop packages --query 'python:requests >= 2, < 2.32' --in 'team/**'
"""


@click.command("packages", epilog=EPILOG)
@click.argument("ref", required=False)
@click.option("-q", "--query", metavar="QUERY", help="In all images: a name, and conditions on the version.")
@click.option("--ecosystem", metavar="NAME", default="", help="dpkg, apk, rpm, python, npm, golang or java.")
@click.option("--in", "within", metavar="NAME", help="With --query: only these repositories, such as team/*.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(1), help="How many at most.  [with --query: 50]")
@click.option("--last", metavar="CURSOR", help="With --query: go on there.")
@image_options
@server_option
@json_option
def command(
    ref: str | None,
    query: str | None,
    ecosystem: str,
    within: str | None,
    limit: int | None,
    last: str | None,
    platform: str,
    wait: float,
    server: str | None,
    as_json: bool,
) -> None:
    """List the packages of the image REF, or find those that a query asks for in all images.

    Packages are those of the package managers in the image, told by the files in which they remember them.
    """
    if (ref is None) == (query is None):
        raise click.UsageError("name an image, or ask with --query 'NAME < VERSION' in all of them")
    if ref is not None:
        if within or last:
            raise click.UsageError("--in and --last go with --query")
        _list(ref, ecosystem, limit, platform, wait, server, as_json=as_json)
    elif query is not None:
        asked = f"{ecosystem}:{query}" if ecosystem else query
        _find(asked, within or "", limit or 50, last or "", server, as_json=as_json)


def _list(
    ref: str, ecosystem: str, limit: int | None, platform: str, wait: float, server: str | None, *, as_json: bool
) -> None:
    where = parse_image(ref)
    client = client_for(server, where)
    size = str(min(limit or PAGE, PAGE))
    page = ask(
        client,
        where,
        wait,
        lambda: client.get(path_of(where, "packages"), n=size, ecosystem=ecosystem, platform=platform),
    )
    items = list(itertools.islice(client.items_of(page), limit))
    if as_json:
        click.echo(json.dumps({"image": page["image"], "items": items, "total": page["total"]}, indent=2))
        return
    from orlop.cli.columns import Column, show

    if not items:
        click.echo(f"no file in {ref} tells of a package" + (f" of {ecosystem}" if ecosystem else ""), err=True)
        return
    show([Column(title) for title in ("PACKAGE", "VERSION", "ECOSYSTEM", "SOURCE")], map(package_cells, items))
    if len(items) < page["total"]:
        click.echo(f"… and {page['total'] - len(items)} more", err=True)


def _find(query: str, within: str, limit: int, last: str, server: str | None, *, as_json: bool) -> None:
    hits = search(client_for(server), limit, q=query, type="packages", last=last, **{"in": within})
    if as_json:
        click.echo(json.dumps(hits.document, indent=2))
        return
    show_packages(hits.items)
    if not hits.items and not hits.last:
        click.echo("no image that you may read has such a package", err=True)
    again = ["orlop", "packages", "--query", query, *(["--in", within] if within else [])]
    say_what_is_left(hits, again)
