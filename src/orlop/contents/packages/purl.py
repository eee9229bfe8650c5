"""Package URLs (purl-spec): `pkg:type/namespace/name@version?qualifiers#subpath`."""

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from orlop.domain.errors import ParameterInvalid

PREFIX = "pkg:"


class Purl(NamedTuple):
    kind: str
    """The type, in small letters."""
    name: str
    """As the ecosystem writes it: with the scope of npm, the path of Go, the group of Maven."""
    version: str = ""
    architecture: str = ""


def read_purl(text: str) -> Purl:
    rest, _, _ = text.removeprefix(PREFIX).partition("#")
    rest, _, qualifiers = rest.partition("?")
    kind, _, rest = rest.strip("/").partition("/")
    # The `@` of a scope is to be encoded, but often is not: one right behind a slash is no version's.
    at = rest.rfind("@")
    path, version = (rest[:at], rest[at + 1 :]) if at > 0 and rest[at - 1] != "/" else (rest, "")
    namespace, _, name = path.strip("/").rpartition("/")
    if not kind or not name:
        raise ParameterInvalid("the package URL has no type or no name: write it like `pkg:deb/debian/openssl@3.0.11`")
    more = dict(parse_qsl(qualifiers))
    epoch = more.get("epoch", "")
    return Purl(
        kind.lower(),
        _name(kind.lower(), unquote(namespace), unquote(name)),
        f"{epoch}:{unquote(version)}" if epoch and version else unquote(version),
        more.get("arch", "").replace("source", ""),
    )


def _name(kind: str, namespace: str, name: str) -> str:
    if kind in ("npm", "golang") and namespace:
        return f"{namespace}/{name}"
    return f"{namespace}:{name}" if kind == "maven" and namespace else name
