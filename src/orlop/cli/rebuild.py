"""`orlop rebuild`."""

import json
import sys

import click

from orlop.app import data_lock, database_path, milliseconds
from orlop.cli.settings import settings_options
from orlop.config import Settings
from orlop.domain.errors import StoreRefused
from orlop.maintenance.rebuild import Progress, Rebuild, Summary
from orlop.storage.location import open_storage


@click.command("rebuild", short_help="Make the database again from the stored content.")
@settings_options("data", "storage.url", "database.url")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(settings: Settings, as_json: bool) -> None:
    """Make the database again from the stored content, when it is lost, damaged or too old.

    Blobs, manifests, tags and images of v1 come back. Who pushed what, the history of tags, accounts, open uploads and
    blobs that nothing names do not: restore a backup of the database where there is one. The server must be stopped.
    The old database is kept beside the new one.
    """
    if settings.storage_url == "memory:":
        raise StoreRefused("a store in memory has nothing to rebuild from: set storage.url or --data")
    with data_lock(settings), database_path(settings) as path:
        storage = open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)
        try:
            summary = Rebuild(storage, path, milliseconds(settings.limits.lease), _tell).run()
        finally:
            storage.close()
    _report(summary, as_json)


def _tell(progress: Progress) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{progress.done} {progress.stage}  ", err=True, nl=False)


def _report(summary: Summary, as_json: bool) -> None:
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
    if as_json:
        click.echo(json.dumps(summary._asdict()))
        return
    images = f", {summary.images} images of v1" if summary.images else ""
    click.echo(f"Rebuilt: {summary.blobs} blobs, {summary.manifests} manifests, {summary.tags} tags{images}.")
    for problem in summary.problems:
        click.echo(f"  left out: {problem}")
