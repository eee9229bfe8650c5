"""What was probably meant by a name that a server does not know."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from orlop.cli.client import Client, ServerError, Where


@contextmanager
def nearest_name(client: Client, where: Where) -> Iterator[None]:
    """Adds to a refusal what was probably meant."""
    try:
        yield
    except ServerError as error:
        if error.code == "TAG_UNKNOWN" and (tags := _names(client, f"/v2/{quote(where.name)}/tags/list", "tags")):
            hint = _hint(where.tag, tags, f"`orlop tag list {where.name}` tells its tags")
        elif error.code in ("TAG_UNKNOWN", "REPOSITORY_UNKNOWN"):
            names = _names(client, "/v2/_catalog", "repositories")
            hint = _hint(where.name, names, "`orlop repo list` tells what there is")
        else:
            raise
        raise ServerError(f"{error}: {hint}", error.code) from error


def _hint(given: str, known: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _names(client: Client, path: str, key: str) -> list[str]:
    try:
        return [str(name) for name in client.get(path, n="10000").get(key, [])]
    except ServerError:
        return []
