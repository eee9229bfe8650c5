"""The table of all settings, made from the structs: key, variable, option, kind."""

import difflib
import functools
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from orlop.config.kinds import Choice, Flag, Kind
from orlop.config.settings import Settings


class Field(msgspec.Struct, frozen=True):
    """One setting. `key` is its name in the file, with its section: `storage.url`."""

    key: str
    kind: Kind
    default: Any

    @property
    def variable(self) -> str:
        """Its name in the environment: `ORLOP_STORAGE_URL`."""
        return "ORLOP_" + self.key.replace(".", "_").upper()

    @property
    def option(self) -> str:
        """Its name as an option, for the commands that have it: `--storage`, `--allow-anonymous-push`."""
        return "--" + self.key.removesuffix(".url").replace(".", "-").replace("_", "-")

    def of(self, settings: Settings) -> Any:
        """Its value in `settings`."""
        return functools.reduce(getattr, self.key.split("."), settings)


def _fields_of(struct: type[msgspec.Struct], prefix: str) -> Iterator[Field]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for info in msgspec.structs.fields(struct):
        hint = hints[info.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from _fields_of(hint, f"{prefix}{info.name}.")
        else:
            yield Field(prefix + info.name, _kind_of(hint), info.default)


def _kind_of(hint: Any) -> Kind:
    if hint is bool:
        return Flag()
    if typing.get_origin(hint) is Literal:
        return Choice(*typing.get_args(hint))
    kind: Kind = typing.get_args(hint)[1]
    return kind


FIELDS: Mapping[str, Field] = {field.key: field for field in _fields_of(Settings, "")}
"""Every setting by its key, in the order of the structs: those without a section first."""

VARIABLES: Mapping[str, Field] = {field.variable: field for field in FIELDS.values()}

SECTIONS = frozenset(key.partition(".")[0] for key in FIELDS if "." in key)


def build(values: Mapping[str, Any]) -> Settings:
    """Settings with these values by key, and defaults for the rest."""
    parts: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    defaults = Settings()
    for section in SECTIONS:
        inner = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        parts[section] = msgspec.structs.replace(getattr(defaults, section), **inner)
    return msgspec.structs.replace(defaults, **parts)


def nearest(name: str, names: typing.Iterable[str]) -> str | None:
    """The name that was probably meant, or None where nothing is near."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return close[0] if close else None
