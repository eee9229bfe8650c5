"""`orlop import`: what other registries hold."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orlop.cli.client import json_option
from orlop.cli.columns import counted, size
from orlop.cli.failure import FAILED
from orlop.cli.settings import settings_options
from orlop.config import Settings

if TYPE_CHECKING:
    from orlop.maintenance.imports.docker_registry_v1 import Imported


@click.group
def command() -> None:
    """Take over the images of another registry."""


@command.command("docker-registry-v1", short_help="Take over the folder of an old docker-registry.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@settings_options("data", "storage.url", "database.url")
@click.option("--keep-library", is_flag=True, help="Keep names as library/NAME, and do not make NAME of them.")
@click.option("--dry-run", is_flag=True, help="Tell what would be taken over, and change nothing.")
@json_option
def docker_registry_v1(settings: Settings, folder: Path, keep_library: bool, dry_run: bool, as_json: bool) -> None:
    """Take over the images and tags in DIR, the folder of a docker-registry 0.6 to 0.9.1 with file storage.

    Layers are compared with their checksums, and share their bytes with the old files by hard links where they can:
    do not let the old registry write to DIR afterwards. What is here already stays as it is, so a second run does
    nothing, and one that was stopped goes on. A server may run meanwhile. Exit code 1: something was left out.
    """
    from msgspec import to_builtins

    from orlop.app import takeover_of
    from orlop.cli.progress import ProgressLine
    from orlop.cli.store import COMMAND_LINE, open_store
    from orlop.maintenance.imports.old_registry import OldRegistry
    from orlop.maintenance.imports.plan import Plan

    old = OldRegistry(folder)
    with open_store(settings, make=not dry_run) as (storage, database), ProgressLine() as line:
        plan = Plan(old, lambda done: line.tell("reading", "repositories", done, 0), keep_library=keep_library)
        takeover = takeover_of(settings, storage, database, COMMAND_LINE)
        summary = takeover.run(plan, lambda done: line.tell("images", "images", done, plan.images), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(to_builtins(summary)))
    else:
        _report(summary)
    if summary.problems:
        sys.exit(FAILED)


def _report(summary: "Imported") -> None:
    for problem in summary.problems:
        click.echo(f"orlop: left out: {problem}", err=True)
    verb = "would take over" if summary.dry_run else "took over"
    click.echo(
        f"{verb} {counted(summary.images, 'image')} ({size(summary.bytes)}) and {counted(summary.tags, 'tag')}"
        f" in {counted(summary.repositories, 'repository')}"
    )
    if summary.linked:
        click.echo(f"  {counted(summary.linked, 'layer')} shared with the old files by hard links")
    if summary.unchanged:
        click.echo(f"  {counted(summary.unchanged, 'image')} there already")
    if summary.untagged:
        click.echo(
            f"  {counted(summary.untagged, 'image')} that no tag names: tag them, or they go with a collection after"
            " limits.lease"
        )
    if summary.left:
        click.echo(f"  {counted(summary.left, 'image')} of the old registry that no tag reaches there: left behind")
