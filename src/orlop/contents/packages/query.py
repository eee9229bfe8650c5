"""What a person asks for packages by: `openssl < 3.0.13`, `python:requests`, `pkg:deb/debian/openssl@3.0.11`.

`[ecosystem:]name`, then any number of conditions on the version: `<`, `<=`, `=`, `!=`, `>=` or `>` and a version, with
spaces or commas between them. All must hold, each in the order of the package's own ecosystem. `*` stands for any
characters in the name, and in a version after `=` or `!=`.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from orlop.contents.packages.names import Pattern, fits
from orlop.contents.packages.orders import compare
from orlop.contents.packages.package import MAX_TEXT, Package, is_text
from orlop.contents.packages.purl import PREFIX, read_purl
from orlop.domain.errors import ParameterInvalid

ECOSYSTEMS = ("dpkg", "apk", "rpm", "python", "npm", "golang", "java")

ALIASES = {
    "deb": "dpkg",
    "debian": "dpkg",
    "alpine": "apk",
    "pypi": "python",
    "pip": "python",
    "go": "golang",
    "maven": "java",
}
"""Other words for the ecosystems."""

MAX_QUERY = 1000
"""Characters."""

_STARS = 5

_HELP = "a query is a name, such as `openssl`, `openssl < 3.0.13` or `python:requests >= 2, < 2.32`"

_NAME = re.compile(r"pkg:[^\s<>=!,?]+(?:\?[^\s<>,]*)?|[^\s<>=!,]+")
_CONDITION = re.compile(r"[\s,]*(?P<operator><=|<|==|=|!=|>=|>)\s*(?P<version>(?:[^\s<>=!,]|!(?!=))+)")

_HOLDS: dict[str, Callable[[int], bool]] = {
    "<": lambda result: result < 0,
    "<=": lambda result: result <= 0,
    "=": lambda result: result == 0,
    "!=": lambda result: result != 0,
    ">=": lambda result: result >= 0,
    ">": lambda result: result > 0,
}


class Condition(NamedTuple):
    operator: str
    version: str

    def holds(self, ecosystem: str, version: str) -> bool:
        if "*" in self.version and self.operator in ("=", "!="):
            return fits(self.version, version) is (self.operator == "=")
        return _HOLDS[self.operator](compare(ecosystem, version, self.version))


class Query(NamedTuple):
    """`names` is for finding candidates; `matches` decides."""

    names: Pattern
    ecosystem: str = ""
    """Empty: any."""
    conditions: tuple[Condition, ...] = ()
    architecture: str = ""
    """Empty: any."""

    def matches(self, package: Package) -> bool:
        """By the package's own name and version, else by those of its source."""
        if self.ecosystem not in ("", package.ecosystem) or self.architecture not in ("", package.architecture):
            return False
        if self.names.matches(package.ecosystem, package.name):
            return self._holds(package, package.version)
        if package.source and self.names.matches(package.ecosystem, package.source):
            return self._holds(package, package.source_version or package.version)
        return False

    def _holds(self, package: Package, version: str) -> bool:
        return all(condition.holds(package.ecosystem, version) for condition in self.conditions)


def parse(text: str) -> Query:
    """ParameterInvalid says how a query is written."""
    text = " ".join(text.split())
    if len(text) > MAX_QUERY:
        raise ParameterInvalid(f"the query is longer than {MAX_QUERY} characters")
    subject = _NAME.match(text)
    if not subject or not text.isprintable():
        _refuse("it has no name", text)
    conditions = _conditions(text, subject.end())
    if subject[0].startswith(PREFIX):
        purl = read_purl(subject[0])
        exact = (Condition("=", purl.version),) if purl.version else ()
        return _checked(Query(Pattern(purl.name), _ecosystem(purl.kind), exact + conditions, purl.architecture))
    prefix, colon, name = subject[0].partition(":")
    if colon and name and (known := _known(prefix)):
        return _checked(Query(Pattern(name), known, conditions))
    return _checked(Query(Pattern(subject[0]), "", conditions))


def _conditions(text: str, at: int) -> tuple[Condition, ...]:
    conditions = []
    while text[at:].strip(" ,"):
        match = _CONDITION.match(text, at)
        if not match:
            _refuse(f"`{text[at:].strip(' ,')[:50]}` is no condition", text)
        operator = "=" if match["operator"] == "==" else match["operator"]
        conditions.append(Condition(operator, match["version"]))
        at = match.end()
    return tuple(conditions)


def _known(word: str) -> str:
    """The ecosystem that `word` stands for, or nothing."""
    word = word.lower()
    return word if word in ECOSYSTEMS else ALIASES.get(word, "")


def _ecosystem(kind: str) -> str:
    known = _known(kind)
    if not known:
        raise ParameterInvalid(f"packages of the type `{kind}` are not known here; known are {', '.join(ECOSYSTEMS)}")
    return known


def _checked(query: Query) -> Query:
    if not all(map(is_text, (query.names.text, *(condition.version for condition in query.conditions)))):
        raise ParameterInvalid(f"names and versions in a query are text without spaces, of up to {MAX_TEXT} characters")
    if query.names.text.count("*") > _STARS:
        raise ParameterInvalid(f"the name in the query has more than {_STARS} `*`")
    return query


def _refuse(reason: str, text: str) -> NoReturn:
    raise ParameterInvalid(f"the query cannot be read: {reason}; {_HELP}", detail={"query": text[:MAX_TEXT]})
