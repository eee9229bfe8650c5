"""The fields of an image's JSON and of an image's config, each of the type that it must have.

Clients written in Go read these documents into structs: one field of another type, and the whole image is refused. They
take a name in any case, so that `cmd` is `Cmd` to them. What these documents say was checked by nobody.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date as calendar
from typing import Any

from orlop.domain import strict_json

Kind = Callable[[object], Any]
"""Gives the value where it is of the field's type, else None."""

_INT64 = range(-(2**63), 2**63)
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = re.compile(rf"({_DAY})T{_HOUR}:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-]{_HOUR})")


def read_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object in `content`; None where that is none."""
    try:
        document = strict_json.loads(content)
    except strict_json.JsonInvalid:
        return None
    return document if isinstance(document, dict) else None


def canonical(document: dict[str, Any]) -> bytes:
    """The same bytes for the same document, however its keys are ordered."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def cleaned(document: object, kinds: Mapping[str, Kind]) -> dict[str, Any] | None:
    """What is of its type in `document`, and all that is not named by `kinds`; None where it is no object."""
    if not isinstance(document, dict):
        return None
    spelled = {name.casefold() for name in kinds}
    kept = {}
    for name, value in document.items():
        kind = kinds.get(name)
        if kind is None and name.casefold() in spelled:
            continue
        checked = value if kind is None else kind(value)
        if checked is not None:
            kept[name] = checked
    return kept


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def date(value: object) -> str | None:
    """A date as RFC 3339 has it: clients refuse an image with one of another form."""
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        calendar.fromisoformat(found[1])
    except ValueError:
        return None
    return found[0]


def texts(value: object) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def run_config(value: object) -> dict[str, Any] | None:
    """What a container is to run: `config` and `container_config`."""
    return cleaned(value, _RUN)


def gone(_: object) -> None:
    """The kind of a field that is left out whatever it says."""


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _variables(value: object) -> list[str] | None:
    """Without those that have no value: umoci refuses to unpack an image with one."""
    found = texts(value)
    return None if found is None else [variable for variable in found if "=" in variable]


def _command(value: object) -> list[str] | None:
    return [value] if isinstance(value, str) else texts(value)  # docker takes a string for a list of one


def _labels(value: object) -> dict[str, str] | None:
    return value if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()) else None


def _names(value: object) -> dict[str, dict[str, Any]] | None:
    return {name: {} for name in value} if isinstance(value, dict) else None


def _health_check(value: object) -> dict[str, Any] | None:
    return cleaned(value, _HEALTH_CHECK)


def _kinds(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


_HEALTH_CHECK = _kinds(texts, "Test") | _kinds(_number, "Interval Timeout StartPeriod StartInterval Retries")

_RUN = (
    _kinds(text, "Hostname Domainname User Image WorkingDir MacAddress StopSignal")
    | _kinds(_flag, "AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce ArgsEscaped NetworkDisabled")
    | _kinds(_variables, "Env")
    | _kinds(texts, "OnBuild Shell")
    | _kinds(_command, "Cmd Entrypoint")
    | _kinds(_names, "ExposedPorts Volumes")
    | _kinds(_labels, "Labels")
    | _kinds(_number, "StopTimeout")
    | _kinds(_health_check, "Healthcheck")
    # Of docker before 1.8, which reads them still.
    | _kinds(_number, "Memory MemorySwap CpuShares")
    | _kinds(text, "Cpuset VolumesFrom VolumeDriver")
    | _kinds(texts, "PortSpecs Dns SecurityOpt")
)

SHARED: dict[str, Kind] = (
    _kinds(text, "comment container docker_version author architecture variant os os.version")
    | _kinds(date, "created")
    | _kinds(texts, "os.features")
    | _kinds(run_config, "config container_config")
    | _kinds(gone, "id parent parent_id layer_id Size throwaway checksum rootfs history")
)
"""What both documents have; the fields that say what an image lies on are made anew in each."""
