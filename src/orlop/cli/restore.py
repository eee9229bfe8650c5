"""`orlop restore`."""

import json
import sys
from pathlib import Path

import click
import msgspec

from orlop.app import data_lock, database_path, milliseconds
from orlop.cli.backup import copied_document, told
from orlop.cli.failure import FAILED
from orlop.cli.progress import ProgressLine
from orlop.cli.settings import settings_options
from orlop.config import Settings
from orlop.domain.errors import StoreRefused
from orlop.maintenance.backup_folder import BackupFolder
from orlop.maintenance.restore import Reconciled, Restore, Restored
from orlop.maintenance.turn import COLLECTION, SCRUB, turn
from orlop.storage.base import Storage
from orlop.storage.location import open_storage


@click.command("restore", short_help="Make a registry of a backup.")
@click.argument("src", type=click.Path(path_type=Path))
@settings_options("data", "storage.url", "database.url")
@click.option("--replace", is_flag=True, help="Put aside what is there, under names that say when.")
@click.option("--keep-store", is_flag=True, help="Take only the database from the backup: content is what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(settings: Settings, src: Path, replace: bool, keep_store: bool, as_json: bool) -> None:
    """Make a registry of the backup in the folder SRC. The server must be stopped.

    A backup with content becomes exactly what was backed up, in a data folder that holds no registry. One of the
    database alone is for a store that has lost its database: what the store holds stays, and the backup brings back
    accounts, tokens, keys, the audit log, the history of tags, and who pushed what. Exit code 1: something of the
    backup is damaged; all the rest is restored. An interrupted restore goes on when it is run again.
    """
    if settings.storage_url == "memory:":
        raise StoreRefused("a store in memory has nothing to restore to: set storage.url or --data")

    def open_store() -> Storage:
        return open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)

    data = Path(settings.data)
    BackupFolder(src).check_apart([data, Path(settings.storage_url.removeprefix("file:"))])
    with database_path(settings) as path, ProgressLine() as line:
        restore = Restore(
            src,
            open_store,
            path,
            milliseconds(settings.limits.lease),
            lambda progress: line.tell(*progress),
            replace=replace,
        )
        description = restore.description()
        with data_lock(settings), turn(data, COLLECTION), turn(data, SCRUB):
            if description.content and not keep_store:
                result: Restored | Reconciled = restore.everything(description)
            else:
                result = restore.database_alone(description)
    if isinstance(result, Restored):
        _report(result, as_json)
    else:
        _report_database(result, as_json)


def _report(result: Restored, as_json: bool) -> None:
    described, copied = result.description, result.copied
    if as_json:
        document = msgspec.to_builtins(described) | copied_document(copied)
        click.echo(json.dumps(document | {"aside": [str(path) for path in result.aside]}))
    else:
        for problem in copied.problems:
            click.echo(f"orlop: not restored: {problem}: push it again", err=True)
        click.echo(
            f"Restored as of {described.made_at}: {described.repositories} repositories, {described.manifests}"
            f" manifests, {described.tags} tags."
        )
        click.echo(f"  {told(copied)}")
        for path in result.aside:
            click.echo(f"  what was there before is kept: {path}")
    if copied.problems:
        sys.exit(FAILED)


def _report_database(result: Reconciled, as_json: bool) -> None:
    described, found = result.description, result.found
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(described) | found._asdict()))
        return
    images = f", {found.images} images of v1" if found.images else ""
    click.echo(
        f"Restored the database as of {described.made_at} for what the store holds now: {found.blobs} blobs,"
        f" {found.manifests} manifests, {found.tags} tags{images}."
    )
    for problem in found.problems:
        click.echo(f"  left out: {problem}")
