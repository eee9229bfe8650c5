"""What differs between two images: their files, their packages, their configs, and the text of one file."""

import json
from itertools import islice
from typing import Any, NamedTuple

from orlop.contents import text
from orlop.contents.difference import Change, Difference, KnownTotals, Totals
from orlop.contents.files import Files, Found, normal, shown
from orlop.contents.images import Image, Images
from orlop.contents.installed import installed
from orlop.contents.packages.changes import Changes, compare
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import FileUnknown, ManifestUnknown
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.strict_json import JsonInvalid, loads

LARGEST_TEXT = 1 << 20
"""Bytes of a file whose lines are compared."""
LONGEST_VALUE = 2000
"""Characters of a value of a config that are told."""

_LISTS = ("Entrypoint", "Cmd", "Shell", "OnBuild")
_NAMED = ("Labels", "ExposedPorts", "Volumes")
_SINGLE = ("User", "WorkingDir", "StopSignal", "Healthcheck")
_TOP = ("os", "architecture", "variant", "author", "created")

Reference = tuple[RepositoryName, Tag | Digest]


class Pair(NamedTuple):
    """Which images are compared."""

    before: Reference
    after: Reference
    platform: str = ""


class FileChanges(NamedTuple):
    """A page of them. `following`: what the next page begins behind, None on the last one."""

    images: tuple[Image, Image]
    items: list[Change]
    following: bytes | None
    totals: Totals


class PackageChanges(NamedTuple):
    images: tuple[Image, Image]
    changes: Changes


class Setting(NamedTuple):
    """One setting of a config that differs. `name`: of an environment variable, a label and the like."""

    field: str
    name: str | None
    before: str | None
    """None where it was not set, and always of environment variables: their values may be secrets."""
    after: str | None
    how: str
    """`added`, `changed` or `removed`."""


class ConfigChanges(NamedTuple):
    images: tuple[Image, Image]
    items: list[Setting]


class TextChanges(NamedTuple):
    images: tuple[Image, Image]
    path: bytes
    found: tuple[Found | None, Found | None]
    difference: str
    """As `diff -u` shows it; empty where the files are the same."""
    refusal: str
    """Why there is no difference to show: `binary` or `large`; empty where there is."""


class Comparison:
    def __init__(self, images: Images, files: Files) -> None:
        self._images = images
        self._files = files
        self._totals = KnownTotals()

    def files(self, caller: Caller, pair: Pair, path: bytes, after: bytes, most: int) -> FileChanges:
        """Up to `most` files below a directory that differ, behind the path `after`.

        Here and below: FileUnknown, and what `Images.find` and `Images.view` raise.
        """
        images = self._find(caller, pair)
        top = normal(path)
        with self._images.view(*images) as (old, new):
            difference = Difference(old, new)
            items = list(islice(difference.changes(top, after), most + 1))
            chains = [tuple(layer.digest for layer in image.layers) for image in images]
            totals = self._totals.of(difference, chains, top)
        following = items[most - 1].path if len(items) > most else None
        return FileChanges(images, items[:most], following, totals)

    def packages(self, caller: Caller, pair: Pair) -> PackageChanges:
        images = self._find(caller, pair)
        with self._images.view(*images) as (old, new):
            if old.layers == new.layers:
                return PackageChanges(images, Changes([], [], [], []))
            return PackageChanges(images, compare(installed(old), installed(new)))

    def config(self, caller: Caller, pair: Pair) -> ConfigChanges:
        """Nobody needs to have looked into the images for this."""
        images = self._find(caller, pair)
        with self._images.database.snapshot() as connection:
            contents = [self._images.config_content(connection, image.repository, image.manifest) for image in images]
        before, after = (_settings(content or b"") for content in contents)
        items = [
            _setting(key, before.get(key), after.get(key))
            for key in dict.fromkeys([*before, *after])
            if before.get(key) != after.get(key)
        ]
        return ConfigChanges(images, items)

    def text(self, caller: Caller, pair: Pair, path: bytes) -> TextChanges:
        """The lines in which one file differs. One that only one image has differs in all of them."""
        images = self._find(caller, pair)
        found = self._file(caller, images[0], path), self._file(caller, images[1], path)
        if found == (None, None):
            raise FileUnknown(f"neither image has a file {shown(path)}", detail={"path": shown(path)})
        names = [
            f"{image.name}{shown(normal(path))}" if file is not None else "/dev/null"
            for image, file in zip(images, found, strict=True)
        ]
        refusal, difference = self._lines(found, (names[0], names[1]))
        return TextChanges(images, normal(path), found, difference, refusal)

    def _lines(self, found: "_Files", names: tuple[str, str]) -> tuple[str, str]:
        contents = [file.content for file in found if file is not None and file.content is not None]
        if len(contents) == 2 and contents[0].digest == contents[1].digest:
            return "", ""
        if any(content.size > LARGEST_TEXT for content in contents):
            return "large", ""
        before, after = (self._text(file) for file in found)
        if before is None or after is None:
            return "binary", ""
        return "", text.unified(before, after, names)

    def _find(self, caller: Caller, pair: Pair) -> tuple[Image, Image]:
        before = self._images.find(caller, *pair.before, pair.platform)
        try:
            # Without another wish, both for the platform of the first, where the second has an image for it.
            return before, self._images.find(caller, *pair.after, pair.platform or before.platform)
        except ManifestUnknown:
            if pair.platform or not before.platform:
                raise
            return before, self._images.find(caller, *pair.after)

    def _file(self, caller: Caller, image: Image, path: bytes) -> Found | None:
        """None where the image has no such file."""
        try:
            found = self._files.find(caller, image.repository, image.digest, path)
        except FileUnknown:
            return None
        if found.content is None:
            raise FileUnknown(f"{shown(path)} of {image.name} is a {found.node.kind}, and has no text")
        return found._replace(image=found.image._replace(reference=image.reference))

    def _text(self, found: Found | None) -> str | None:
        """None where it is none."""
        if found is None or found.content is None:
            return ""
        content = b"".join(self._files.read(found, 0, found.content.size))
        try:
            return None if b"\0" in content else content.decode()
        except UnicodeDecodeError:
            return None


_Files = tuple[Found | None, Found | None]


def _settings(content: bytes) -> dict[tuple[str, str | None], str]:
    """Every setting of a config as text, those of maps one by one."""
    try:
        document = loads(content)
    except JsonInvalid:
        return {}
    if not isinstance(document, dict):
        return {}
    run = document.get("config")
    run = run if isinstance(run, dict) else {}
    found: dict[tuple[str, str | None], str] = {}
    for variable in run.get("Env") or [] if isinstance(run.get("Env"), list) else []:
        if isinstance(variable, str):
            name, _, value = variable.partition("=")
            found["env", name] = value
    for field in (*_LISTS, *_SINGLE):
        if run.get(field):
            found[_snake(field), None] = _shown(run[field])
    for field in _NAMED:
        named = run.get(field)
        for name, value in named.items() if isinstance(named, dict) else ():
            found[_snake(field), name] = _shown(value) if field == "Labels" else ""
    return found | {(field, None): _shown(document[field]) for field in _TOP if document.get(field)}


def _setting(key: tuple[str, str | None], before: str | None, after: str | None) -> Setting:
    how = "added" if before is None else "removed" if after is None else "changed"
    told = (None, None) if key[0] == "env" else (before, after)
    return Setting(*key, *told, how)


def _snake(field: str) -> str:
    """The name that the rest of the API has for it."""
    return {
        "ExposedPorts": "exposed_ports",
        "WorkingDir": "working_dir",
        "StopSignal": "stop_signal",
        "OnBuild": "on_build",
    }.get(field, field.lower())


def _shown(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return written if len(written) <= LONGEST_VALUE else f"{written[:LONGEST_VALUE]}…"
