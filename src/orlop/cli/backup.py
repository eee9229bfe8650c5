"""`orlop backup`."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from orlop.app import database_path
from orlop.cli.columns import size
from orlop.cli.failure import FAILED
from orlop.cli.progress import ProgressLine
from orlop.cli.settings import settings_options
from orlop.cli.store import open_store
from orlop.config import Settings
from orlop.maintenance.backup import Backup, Summary
from orlop.maintenance.backup_folder import BackupFolder
from orlop.maintenance.copying import Copied


@click.command("backup", short_help="Back up the registry into a folder.")
@click.argument("dest", type=click.Path(path_type=Path))
@settings_options("data", "storage.url", "database.url")
@click.option("--content", is_flag=True, help="The content, too, and not the database alone.")
@click.option("--verify", is_flag=True, help="Compare what the folder has already with its digests.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(settings: Settings, dest: Path, content: bool, verify: bool, as_json: bool) -> None:
    """Back up the registry into the folder DEST, while it is served or not.

    By default the database alone: accounts, tokens, keys, history, the audit log, and which names there are. With
    --content also what the names stand for, so that nothing else is needed to restore the registry. A second backup
    into the same folder copies only what is new, and replaces the first once it is whole. DEST holds keys and hashes of
    passwords: keep it as you would keep those. Exit code 1: something could not be backed up.
    """
    if verify and not content:
        raise click.UsageError("--verify is for backups with --content")
    with open_store(settings) as (storage, database), database_path(settings) as path:
        live = [Path(settings.data), path, Path(settings.storage_url.removeprefix("file:"))]
        BackupFolder(dest).check_apart(live)
        with ProgressLine() as line:
            summary = Backup(
                storage,
                database,
                Path(settings.data),
                dest,
                lambda progress: line.tell(*progress),
                _tell_wait,
                content=content,
                verify=verify,
            ).run()
    _report(dest, summary, as_json)
    if summary.problems:
        sys.exit(FAILED)


def _tell_wait(reason: str) -> None:
    click.echo(f"waiting: {reason}", err=True)


def _report(dest: Path, summary: Summary, as_json: bool) -> None:
    described, copied = summary.description, summary.copied
    if as_json:
        document: dict[str, Any] = msgspec.to_builtins(described)
        click.echo(json.dumps(document | copied_document(copied) | {"removed_blobs": summary.removed}))
        return
    for problem in summary.problems:
        click.echo(f"orlop: not backed up: {problem}", err=True)
    click.echo(
        f"Backed up to {dest}: {described.repositories} repositories, {described.manifests} manifests,"
        f" {described.tags} tags{'' if described.content else ', without content'}."
    )
    if described.content:
        click.echo(f"  {told(copied)}; {summary.removed} removed")


def copied_document(copied: Copied) -> dict[str, Any]:
    """What was copied, for programs."""
    return {
        "new_blobs": copied.new_blobs,
        "new_bytes": copied.new_bytes,
        "seconds": round(copied.seconds, 3),
        "problems": [{"digest": problem.digest, "reason": problem.reason} for problem in copied.problems],
    }


def told(copied: Copied) -> str:
    """What was copied, for people."""
    rate = copied.new_bytes / copied.seconds / 1e6 if copied.seconds else 0.0
    return (
        f"{copied.blobs} blobs, {size(copied.bytes)}; {copied.new_blobs} of them copied, {size(copied.new_bytes)},"
        f" in {copied.seconds:.1f} s ({rate:.0f} MB/s)"
    )
