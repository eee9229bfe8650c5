"""`orlop storage`."""

import json
import sys
from contextlib import closing

import click

from orlop.cli.failure import FAILED
from orlop.cli.settings import settings_options
from orlop.config import Settings
from orlop.storage.base import Storage
from orlop.storage.contract import Verdict, run
from orlop.storage.location import open_storage


@click.group
def command() -> None:
    """Test the configured storage."""


@command.command
@click.argument("url", required=False)
@settings_options("data")
@click.option("--json", "as_json", is_flag=True, help="Print each verdict as a line of JSON.")
def test(settings: Settings, url: str | None, as_json: bool) -> None:
    """Try whether the store does all that the registry asks of it.

    URL is by default the configured store, which may be in use: the test works in a folder of its own, which it removes
    at the end, and leaves everything else alone. It needs about 100 MB of room for a moment. Exit code 1: the store
    doesn't keep its promises, and the registry would lose or mix up content on it.
    """
    location = url or settings.storage_url
    with open_storage(location, allow_network_filesystem=settings.storage.allow_network_filesystem) as store:
        if not as_json:
            click.echo(f"Testing {location} ({_abilities(store)})")
        # Closed also when the test is interrupted: only then the folder goes.
        with closing(run(store)) as verdicts:
            failures = [_tell(verdict, as_json=as_json) for verdict in verdicts].count(False)
    if failures:
        click.echo(f"{failures} cases failed: don't keep images on this store", err=True)
        sys.exit(FAILED)
    if not as_json:
        click.echo("The store keeps its promises.")


def _tell(verdict: Verdict, *, as_json: bool) -> bool:
    """Print a verdict; whether it is a good one."""
    if as_json:
        click.echo(json.dumps(verdict._asdict()))
    elif verdict.failure:
        click.echo(f"FAILED  {verdict.seconds:6.2f} s  {verdict.case}\n        {verdict.failure}")
    else:
        click.echo(f"ok      {verdict.seconds:6.2f} s  {verdict.case}")
    return not verdict.failure


def _abilities(store: Storage) -> str:
    able = store.capabilities
    names = [name for name in ("durable", "descriptors", "hard_links", "free_space") if getattr(able, name)]
    return ", ".join(names).replace("_", " ") or "nothing outlives the process"
