"""Which image of an index is meant, by its platform: `os/architecture[/variant]`."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orlop.domain.digest import Digest
from orlop.domain.errors import ParameterInvalid

DEFAULT = "linux/amd64"

_PLATFORM = re.compile(r"[a-z0-9_.-]{1,60}/[a-z0-9_.-]{1,60}(?:/[A-Za-z0-9_.-]{1,60})?")
_ALIASES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "armhf": "arm/v7",
    "armel": "arm/v6",
}


class Choice(NamedTuple):
    """An image of an index. `platform` is empty where the index does not tell."""

    platform: str
    digest: Digest


def parse(text: str) -> str:
    """A platform as a person writes it, in the words of the specification; ParameterInvalid."""
    if _PLATFORM.fullmatch(text) is None:
        raise ParameterInvalid(
            "a platform is written os/architecture or os/architecture/variant, such as linux/arm64",
            detail={"parameter": "platform", "value": text[:200]},
        )
    system, architecture, *variant = text.split("/")
    return "/".join([system, _ALIASES.get(architecture, architecture), *variant])


def name_of(platform: Mapping[str, object]) -> str:
    """Of an index's child or a config; empty where it does not say as much."""
    parts = [platform.get(key) for key in ("os", "architecture", "variant")]
    told = [part for part in parts if isinstance(part, str) and part]
    return "/".join(told)[:200] if all(isinstance(part, str) and part for part in parts[:2]) else ""


def fits(platform: str, wanted: str) -> bool:
    """Whether that is the platform that is wanted: a variant counts where it is named, and arm64 is arm64/v8."""
    system, architecture, variant = _parts(platform)
    wanted_system, wanted_architecture, wanted_variant = _parts(wanted)
    if (system, architecture) != (wanted_system, wanted_architecture):
        return False
    implied = "v8" if architecture == "arm64" else ""
    return not wanted_variant or wanted_variant == (variant or implied)


def choose(choices: Sequence[Choice], wanted: str) -> Choice | None:
    """The first that fits; where nothing is wanted, that for DEFAULT, else the first that is for any platform."""
    found = next((choice for choice in choices if fits(choice.platform, wanted or DEFAULT)), None)
    if found is not None or wanted:
        return found
    return next((choice for choice in choices if not choice.platform.startswith("unknown/")), None)


def _parts(platform: str) -> tuple[str, str, str]:
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return system, architecture, variant
