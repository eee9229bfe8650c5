"""Shows settings as a TOML file that would give the same, with where each came from."""

import json
from collections.abc import Iterator

from orlop.config.fields import FIELDS
from orlop.config.kinds import Shown, redact
from orlop.config.load import Loaded
from orlop.config.settings import Settings


def shown(settings: Settings) -> dict[str, Shown]:
    """Every setting by key, in the form of the file, without passwords; defaults that follow from others are filled."""
    values = {key: field.kind.show(field.of(settings)) for key, field in FIELDS.items()}
    values["storage.url"] = settings.storage_url
    if settings.database_url != "sqlite:":
        values["database.url"] = settings.database_url
    return {key: redact(value) if isinstance(value, str) else value for key, value in values.items()}


def as_toml(loaded: Loaded) -> str:
    """The effective settings as TOML, each with its origin in a comment."""
    return "\n".join(_lines(loaded)) + "\n"


def _lines(loaded: Loaded) -> Iterator[str]:
    section = ""
    for key, value in shown(loaded.settings).items():
        prefix, _, name = key.rpartition(".")
        if prefix != section:
            section = prefix
            yield f"\n[{section}]"
        yield f"{f'{name} = {_literal(value)}':<40} # {loaded.origins[key]}"


def _literal(value: Shown) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's, but for DEL, which only TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
