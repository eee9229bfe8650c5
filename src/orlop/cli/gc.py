"""`orlop gc`."""

import json
import signal
import sys
from types import FrameType

import click
import msgspec

from orlop import telemetry
from orlop.app import collection_of
from orlop.cli.client import json_option
from orlop.cli.columns import counted, size
from orlop.cli.settings import settings_options
from orlop.cli.store import open_store
from orlop.config import Settings
from orlop.domain.errors import Busy
from orlop.maintenance.collection import Collection
from orlop.maintenance.preview import Preview
from orlop.maintenance.run import Run, Totals

SHOWN = 20
"""Lines of a preview for people; `--json` has more."""


@click.command("gc", short_help="Take away what nothing keeps.")
@settings_options("data", "storage.url", "database.url")
@click.option("--dry-run", is_flag=True, help="Tell what would be taken away, and change nothing.")
@click.option(
    "--rate", type=click.IntRange(min=0), metavar="N", help="How many blobs and manifests a second; 0: any number."
)
@json_option
def command(settings: Settings, dry_run: bool, rate: int | None, as_json: bool) -> None:
    """Take away what nothing keeps: blobs that no manifest and no lease keeps, uploads that were given up, manifests
    that rules of retention let go, images of v1 that were never tagged or whose manifest is gone, and what a push that
    was cut has left in the store.

    Pushes and pulls go on meanwhile, also deletes. A run that was stopped goes on where it was. Where another one runs,
    this one waits for it.
    """
    if rate is not None:
        settings = msgspec.structs.replace(settings, gc=msgspec.structs.replace(settings.gc, rate=rate))
    telemetry.configure(settings.log.format, settings.log.level)
    with open_store(settings) as (storage, database), collection_of(settings, storage, database) as collection:
        if dry_run:
            _show_preview(collection.preview(), as_json)
            return
        run = _run(collection)
    if run is None:
        click.echo("stopped: the next collection goes on there", err=True)
        sys.exit(130)
    _report(run, as_json)


def _run(collection: Collection) -> Run | None:
    def stop(number: int, frame: FrameType | None) -> None:
        collection.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    terminal = sys.stderr.isatty()
    if terminal:
        collection.on_progress = _tell
    try:
        return collection.whole()
    except Busy as busy:
        click.echo(f"{busy}: waiting for its end", err=True)
        return collection.whole(wait=True)
    finally:
        if terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


def _tell(run: Run) -> None:
    totals = run.totals
    click.echo(
        f"\r\x1b[K{run.stage}: {counted(totals.condemned, 'blob that nothing keeps')}, {totals.blobs} removed,"
        f" {size(totals.bytes)} freed",
        err=True,
        nl=False,
    )


def _report(run: Run, as_json: bool) -> None:
    totals = run.totals
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(totals)))
        return
    click.echo(f"freed {size(totals.bytes)}: {counted(totals.blobs, 'blob removed')}")
    for number, what in _others(totals):
        if number:
            click.echo(f"  {counted(number, what)}")
    if totals.leased_blobs:
        click.echo(
            f"  {counted(totals.leased_blobs, 'blob')} ({size(totals.leased_bytes)}) kept by nothing but a lease,"
            " as a client was told of it lately (limits.lease)"
        )


def _others(totals: Totals) -> tuple[tuple[int, str], ...]:
    return (
        (totals.manifests, "manifest deleted by rules of retention"),
        (totals.images, "image of v1 that no manifest was made of"),
        (totals.links, "blob taken out of a repository that did not need it"),
        (totals.uploads, "upload ended that was given up"),
        (totals.swept, "object that the database did not know"),
        (totals.contents, "table of contents or document of what is gone"),
        (totals.repositories, "repository forgotten that held nothing"),
    )


def _show_preview(found: Preview, as_json: bool) -> None:
    if as_json:
        document = {
            "dry_run": True,
            "manifests": [manifest._asdict() for manifest in found.manifests],
            "manifest_count": found.manifest_count,
            "images": [image._asdict() for image in found.images],
            "image_count": found.image_count,
            "blobs": [{"digest": digest, "size": number} for digest, number in found.blobs],
            "blob_count": found.blob_count,
            "bytes": found.size,
            "leased_blobs": found.leased_count,
            "leased_bytes": found.leased_size,
        }
        click.echo(json.dumps(document, indent=2))
        return
    blobs, manifests = counted(found.blob_count, "blob"), counted(found.manifest_count, "manifest")
    click.echo(f"would free {size(found.size)}: {blobs}, {manifests}")
    for manifest in found.manifests[:SHOWN]:
        click.echo(f"  manifest {manifest.repository}@{manifest.digest}  ({manifest.rule})")
    _more(found.manifest_count - SHOWN)
    for image in found.images[:SHOWN]:
        click.echo(f"  v1 image {image.image_id} of {image.repository}")
    _more(found.image_count - SHOWN)
    for digest, number in found.blobs[:SHOWN]:
        click.echo(f"  blob {digest}  {size(number)}")
    _more(found.blob_count - SHOWN)
    if found.leased_count:
        click.echo(f"  {counted(found.leased_count, 'blob')} ({size(found.leased_size)}) kept by nothing but a lease")


def _more(number: int) -> None:
    if number > 0:
        click.echo(f"  and {number} more: --json lists them")
