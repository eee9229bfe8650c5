"""`orlop why`."""

import json

import click

from orlop.cli.client import json_option
from orlop.cli.columns import size
from orlop.cli.settings import settings_options
from orlop.cli.store import open_database, time_text
from orlop.config import Settings
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, DigestInvalid
from orlop.maintenance.reasons import Reasons, Step, Why

SENTENCES = {
    "condemned": "nothing keeps it: it is absent since {since}, and the next collection removes it",
    "removing": "nothing keeps it: it is being removed since {since}",
    "removed": "nothing keeps it: it was removed at {since}",
    "lost": "nothing keeps it, and its object is lost since {since}: the next collection takes it",
}
WAITING = "nothing keeps it: it waits for the next collection since {since}"


@click.command("why", short_help="Show what keeps a blob or manifest.")
@settings_options("data", "storage.url", "database.url")
@click.argument("digest")
@click.option(
    "-n", "--limit", default=10, metavar="N", type=click.IntRange(min=1), help="How many chains.  [default: 10]"
)
@json_option
def command(settings: Settings, digest: str, limit: int, as_json: bool) -> None:
    """Show what keeps DIGEST, a blob's or manifest's: the chain from a tag, a lease or an untagged manifest down to it;
    or that nothing does, and since when it waits. DIGEST may be the id of an open upload too.
    """
    with open_database(settings) as database:
        reasons = Reasons(database, settings.retention)
        found = reasons.of_upload(digest) if ":" not in digest else reasons.of(_parsed(digest), limit)
    if found is None:
        raise BlobUnknown(f"the registry knows nothing of {digest}: `orlop tag list NAME` tells the digests of tags")
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    else:
        _show(found)


def _parsed(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except DigestInvalid as error:
        raise DigestInvalid(
            f"{text[:200]!r} is no digest: write sha256: and 64 digits, as `orlop tag list` does"
        ) from error


def _show(found: Why) -> None:
    known = "an open upload" if found.state == "upload" else found.state
    click.echo(f"{found.name}  {known}" + (f", {size(found.size)}" if found.size is not None else ""))
    for chain in found.chains:
        click.echo("")
        for depth, step in enumerate(chain, start=1):
            click.echo(f"{'  ' * depth}{_text(step)}")
    if found.more:
        click.echo("\n  and more: --limit N shows them")
    if not found.chains:
        sentence = SENTENCES.get(found.state, WAITING)
        click.echo(f"  {sentence.format(since=time_text(found.waits_since))}")


def _text(step: Step) -> str:
    until = time_text(step.until)
    if step.kind == "lease":
        return f"lease in {step.name} until {until}: a client was told that it is there"
    if step.kind == "upload":
        return f"open upload in {step.name}, until {until} if nothing more arrives"
    if step.kind == "untagged":
        told = f"until {until} by the rule {step.note}" if until is not None else step.note
        return f"untagged in {step.name}: {told}"
    if step.kind == "image":
        repository, _, image_id = step.name.partition(" ")
        return f"v1 image {image_id} in {repository}" + (f": {step.note}" if step.note else "")
    return f"{step.kind} {step.name}"


def _document(found: Why) -> dict[str, object]:
    chains = [[{**step._asdict(), "until": time_text(step.until)} for step in chain] for chain in found.chains]
    return {**found._asdict(), "chains": chains, "waits_since": time_text(found.waits_since)}
