"""`orlop audit`: who changed what, and who was refused."""

import json
from datetime import UTC, datetime

import click

from orlop.cli.client import json_option
from orlop.cli.user import on_store
from orlop.config import Settings


@click.command("audit", short_help="Show who changed what, and who was refused.")
@on_store
@click.option("--account", default="", metavar="NAME", help="Only what this account did.")
@click.option("--repository", default="", metavar="NAME", help="Only what was done to this repository.")
@click.option(
    "--action", default="", metavar="ACTION", help="Only this, or this group: manifest.push, manifest, refused."
)
@click.option("--since", metavar="TIME", help="Only from then on: 2026-01-31, 2026-01-31T12:00:00Z.")
@click.option(
    "-n", "--limit", default=100, metavar="N", type=click.IntRange(min=1), help="How many at most.  [default: 100]"
)
@json_option
def command(
    settings: Settings, account: str, repository: str, action: str, since: str | None, limit: int, as_json: bool
) -> None:
    """Show who changed what, and who was refused, the latest first."""
    from orlop.cli.columns import Column, show
    from orlop.cli.store import open_database, time_text
    from orlop.database import audit
    from orlop.database.pages import LARGEST

    if action and not audit.is_action(action):
        raise click.UsageError(f"{action} is no action: write one such as manifest.push, or its first part")
    filter_ = audit.Filter(account, repository, action, _milliseconds(since))
    with open_database(settings) as database:
        found = audit.page(database.reader(), filter_, before=LARGEST, count=limit)
    if as_json:
        items = [{**entry._asdict(), "at": time_text(entry.at), "detail": json.loads(entry.detail)} for entry in found]
        click.echo(json.dumps({"items": items}, indent=2))
        return
    if not found:
        click.echo("there is nothing of the kind", err=True)
        return
    rows = [
        [
            (time_text(entry.at) or "")[:19].replace("T", " "),
            entry.account or "-",
            entry.address or "-",
            entry.action + (f" (x{entry.times})" if entry.times > 1 else ""),
            entry.repository,
            " ".join([entry.object, *[f"{key}={_text(value)}" for key, value in json.loads(entry.detail).items()]]),
        ]
        for entry in found
    ]
    show([Column(title) for title in ("TIME (UTC)", "ACCOUNT", "ADDRESS", "ACTION", "REPOSITORY", "WHAT")], rows)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _milliseconds(text: str | None) -> int:
    if text is None:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{text} is no time: write 2026-01-31 or 2026-01-31T12:00:00Z") from error
    return max(0, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))
