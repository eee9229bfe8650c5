"""What differs between the packages of two images."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from orlop.contents.packages import orders
from orlop.contents.packages.names import same
from orlop.contents.packages.package import Package

_Key = tuple[str, str, str]
_Versions = dict[str, Package]


class Change(msgspec.Struct, frozen=True):
    """One package in another version."""

    before: Package
    after: Package


class Changes(msgspec.Struct, frozen=True):
    """Each list by ecosystem, name and architecture. A package that is there several times in one version is one."""

    added: list[Package]
    removed: list[Package]
    upgraded: list[Change]
    """Also where only the text of the version differs."""
    downgraded: list[Change]


def compare(before: Iterable[Package], after: Iterable[Package]) -> Changes:
    """Of a package in several versions, as npm has them, those that differ are paired from the newest down."""
    changes = Changes([], [], [], [])
    old, new = _grouped(before), _grouped(after)
    for group in sorted(old.keys() | new.keys()):
        _tell(group[0], old.get(group, {}), new.get(group, {}), changes)
    return changes


def _grouped(packages: Iterable[Package]) -> dict[_Key, _Versions]:
    groups: dict[_Key, _Versions] = defaultdict(dict)
    for package in packages:
        name = same(package.ecosystem, package.name)
        groups[package.ecosystem, name, package.architecture].setdefault(package.version, package)
    return dict(groups)


def _tell(ecosystem: str, old: _Versions, new: _Versions, changes: Changes) -> None:
    gone = _newest_first(ecosystem, old.keys() - new.keys())
    come = _newest_first(ecosystem, new.keys() - old.keys())
    for before, after in zip(gone, come, strict=False):
        newer = orders.compare(ecosystem, after, before) >= 0
        (changes.upgraded if newer else changes.downgraded).append(Change(old[before], new[after]))
    paired = min(len(gone), len(come))
    changes.removed.extend(old[version] for version in gone[paired:])
    changes.added.extend(new[version] for version in come[paired:])


def _newest_first(ecosystem: str, versions: Iterable[str]) -> list[str]:
    return sorted(sorted(versions), key=orders.key(ecosystem), reverse=True)
