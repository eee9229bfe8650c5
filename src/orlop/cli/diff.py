"""`orlop diff`: what differs between two images."""

import json
import sys
from itertools import islice
from typing import Any

import click

from orlop.cli.client import Client, ServerError, Where, client_for, json_option, server_option
from orlop.cli.images import ask, escaped, image_options, parse_image, path_in, path_text

SHOWN = 100
SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.argument("path", required=False)
@click.option("--files", is_flag=True, help="Only the files.")
@click.option("--packages", is_flag=True, help="Only the packages.")
@click.option("--config", is_flag=True, help="Only the config.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="How many files at most.  [default: 100]")
@image_options
@server_option
@json_option
def command(
    a: str,
    b: str,
    path: str | None,
    files: bool,
    packages: bool,
    config: bool,
    limit: int | None,
    platform: str,
    wait: float,
    server: str | None,
    as_json: bool,
) -> None:
    """Show what differs between the images A and B: config, packages and files.

    With the PATH of a file, the lines in which it differs; with that of a directory, the files below it. B may be
    :TAG or @DIGEST alone, of A's repository.
    """
    before, after = _both(a, b)
    client = client_for(server, before)
    pair = {"a": before.plain, "b": after.plain, "platform": platform}
    kinds = [kind for kind, wanted in (("config", config), ("packages", packages), ("files", files)) if wanted]
    if path is not None and (packages or config):
        raise click.UsageError("a PATH goes with files: leave out --packages and --config")

    def question(kind: str, **more: str) -> dict[str, Any]:
        return ask(client, before, wait, lambda: client.get("/api/v1/diff", kind=kind, **pair, **more))

    told = _of_path(question, path, only_files=files) if path is not None else None
    found = [told] if told is not None else [question(kind) for kind in kinds or ("config", "packages", "files")]
    if as_json:
        for document in found:
            if document["items"] is not None:
                document["items"] = list(islice(client.items_of(document), limit))
        click.echo(json.dumps(_merged(found), indent=2))
        return
    for document in found:
        _PRINTED[document["kind"]](client, document, limit)


def _both(a: str, b: str) -> tuple[Where, Where]:
    before = parse_image(a)
    if b.startswith((":", "@")):
        b = before.name + b
    after = parse_image(b)
    if after.host not in ("", before.host):
        raise click.UsageError(f"{a} and {b} are on two servers: only images on one can be compared")
    return before, after


def _of_path(question: Any, path: str, *, only_files: bool) -> dict[str, Any]:
    """The lines of a file, else what is below a directory."""
    _, parameters = path_in(path)
    told = parameters or {"path": path}
    if not only_files:
        try:
            return question("text", **told)  # type: ignore[no-any-return]
        except ServerError as error:
            if error.code != "FILE_UNKNOWN":
                raise
            refusal = error
    try:
        return question("files", **told)  # type: ignore[no-any-return]
    except ServerError as error:
        if only_files or error.code != "FILE_UNKNOWN":
            raise
        raise refusal from error


def _merged(found: list[dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {"a": found[0]["a"], "b": found[0]["b"]}
    for part in found:
        if part["kind"] == "files":
            document["files"] = {"totals": part["totals"], "items": part["items"]}
        else:
            document[part["kind"]] = part[part["kind"]]
    return document


def _config(client: Client, document: dict[str, Any], limit: int | None) -> None:
    click.echo("Config" if document["config"] else "Config: no difference")
    for item in document["config"]:
        name = f"{item['field']} {item['name']}" if item["name"] else item["field"]
        values = [value for value in (item["before"], item["after"]) if value]
        click.echo(f"  {SIGNS[item['how']]} {escaped(name)}{': ' if values else ''}{escaped(' -> '.join(values))}")


def _packages(client: Client, document: dict[str, Any], limit: int | None) -> None:
    packages = document["packages"]
    if not any(packages.values()):
        click.echo("Packages: no difference")
        return
    click.echo("Packages: " + ", ".join(f"{len(items)} {how}" for how, items in packages.items() if items))
    for how, sign in (("removed", "-"), ("added", "+"), ("upgraded", "~"), ("downgraded", "~")):
        for item in packages[how]:
            versions = " -> ".join(version for version in (item["before"], item["after"]) if version)
            note = "  downgraded" if how == "downgraded" else ""
            click.echo(f"  {sign} {escaped(item['name'])} {escaped(versions)}{note}  ({item['ecosystem']})")


def _files(client: Client, document: dict[str, Any], limit: int | None) -> None:
    totals = document["totals"]
    if not document["items"]:
        click.echo("Files: no difference")
        return
    click.echo(f"Files: {_summary(totals)}")
    count = 0
    for item in islice(client.items_of(document), limit or SHOWN):
        click.echo(f"  {SIGNS[item['how']]} {_changed(item)}")
        count += 1
    left = sum(totals[how] for how in SIGNS) - count
    if left > 0:
        click.echo(f"  … and {left} more: --limit N shows more of them, a PATH those below a directory")


def _summary(totals: dict[str, Any]) -> str:
    from orlop.cli.columns import size

    grown = totals["grown"]
    parts = [
        f"{totals['added']} added ({size(totals['added_size'])})",
        f"{totals['changed']} changed ({'-' if grown < 0 else '+'}{size(abs(grown))})",
        f"{totals['removed']} removed ({size(totals['removed_size'])})",
    ]
    return ", ".join(parts)


def _changed(item: dict[str, Any]) -> str:
    from orlop.cli.columns import size

    before, after = item["before"], item["after"]
    there = after or before
    path = path_text(item) + ("/" if there["type"] == "directory" else "")
    if item["how"] != "changed":
        return f"{path}  {size(there['size'])}" if there["type"] in ("file", "hardlink") else path
    notes = []
    for what in item["what"]:
        if what == "content":
            notes.append(f"content {size(before['size'])} -> {size(after['size'])}")
        elif what == "owner":
            notes.append("owner " + " -> ".join(f"{node['uid']}:{node['gid']}" for node in (before, after)))
        elif what == "link":
            notes.append("link " + " -> ".join(path_text(node, "link") for node in (before, after)))
        else:
            notes.append(f"{what} {before[what]} -> {after[what]}")
    return f"{path}  {', '.join(notes)}"


def _text(client: Client, document: dict[str, Any], limit: int | None) -> None:
    told = document["text"]
    if told["refusal"]:
        why = "is binary" if told["refusal"] == "binary" else "is too large to be shown line by line"
        sizes = " -> ".join(str(node["size"]) if node else "absent" for node in (told["before"], told["after"]))
        click.echo(f"{escaped(told['path'])} differs, and {why}: {sizes} bytes")
        return
    if not told["difference"]:
        click.echo(f"{escaped(told['path'])} has the same content in both", err=True)
        return
    # A program that reads this gets it as it is; without `color`, click would take out what looks like colors.
    lines = told["difference"].split("\n")
    click.echo("\n".join(map(_obeyed, lines)) if sys.stdout.isatty() else told["difference"], nl=False, color=True)


def _obeyed(line: str) -> str:
    return "\t".join(escaped(part) for part in line.split("\t"))


_PRINTED = {"config": _config, "packages": _packages, "files": _files, "text": _text}
