"""Puts the sources together: options over the environment, the environment over the file, the file over defaults."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from orlop.config.errors import ConfigurationError
from orlop.config.fields import FIELDS, build
from orlop.config.kinds import redact
from orlop.config.settings import Settings
from orlop.config.sources import Raw, choose_file, read_environment, read_file, read_options

DEFAULT = "default"


class Loaded(msgspec.Struct, frozen=True):
    """Settings and where each came from, by key: a file with its line, a variable, an option, or `default`."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def load(path: Path | None, environment: Mapping[str, str], options: Mapping[str, object]) -> Settings:
    """The valid settings from the file, the environment (`ORLOP_*`) and the options (by key; None: not given).

    Where `path` is None, ORLOP_CONFIG names the file, else /etc/orlop/orlop.toml is read if it is there.
    Raises ConfigurationError with everything that is wrong, a line each.
    """
    return load_with_origins(path, environment, options).settings


def load_with_origins(path: Path | None, environment: Mapping[str, str], options: Mapping[str, object]) -> Loaded:
    """As `load`, with where each value came from."""
    file = choose_file(path, environment)
    readings = [read_options(options), read_environment(environment)]
    problems = [problem for reading in readings for problem in reading.problems]
    if file is not None:
        try:
            readings.append(read_file(file))
            problems += readings[-1].problems
        except ConfigurationError as error:
            problems += error.problems
    # A value that another overrides is read too: a mistake must not wait for the day when the override goes.
    values: dict[str, Any] = {}
    origins = dict.fromkeys(FIELDS, DEFAULT)
    for reading in reversed(readings):
        for raw in reading.values:
            _take(raw, values, origins, problems)
    settings = build(values)
    problems += _contradictions(settings, origins)
    if problems:
        raise ConfigurationError(problems)
    return Loaded(settings, origins, file)


def _take(raw: Raw, values: dict[str, Any], origins: dict[str, str], problems: list[str]) -> None:
    try:
        values[raw.key] = FIELDS[raw.key].kind.read(raw.value)
        origins[raw.key] = raw.origin
    except ValueError as error:
        problems.append(f"{raw.origin}: {raw.key} = {_shown(raw.value)}: {error}")


def _shown(value: object) -> str:
    """The value in a message: as TOML would have it, not too long, without passwords."""
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 120 else f"{text[:117]}..."


def _contradictions(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """What is wrong only in sight of other settings."""
    problems = []
    for given, absent in (("tls.cert", "tls.key"), ("tls.key", "tls.cert")):
        if FIELDS[given].of(settings) and not FIELDS[absent].of(settings):
            problems.append(f"{origins[given]}: {given} is set without {absent}; set both or neither")
    if settings.metrics_address == settings.address and settings.address.port:
        problems.append(
            f"{origins['metrics.listen']}: metrics.listen is the same address as listen;"
            " leave it out to have /metrics there, or choose another port"
        )
    return problems


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine while everyone may push, unless that is meant (ConfigurationError)."""
    if settings.address.is_loopback or settings.allow_anonymous_push or settings.access.mode == "accounts":
        return
    problem = (
        f"listen = {settings.listen}: everyone who reaches this address could push and delete;"
        f" listen on 127.0.0.1:{settings.address.port}, set access.mode to accounts, or pass --allow-anonymous-push if"
        " that is meant"
    )
    raise ConfigurationError([problem])
