"""The config of an image: what it runs, and the steps that made its layers.

Source: the OCI image specification, config.md. Nothing of a config was checked when it was pushed (it is a blob like
others), so whatever has not the type that the specification gives it is left out.
"""

from typing import Any, NamedTuple

from orlop.domain import strict_json


class Step(NamedTuple):
    """One entry of the history, as it stands in the config."""

    created: str
    created_by: str
    comment: str
    empty_layer: bool
    """The step changed no file, and has no layer."""


class ImageConfig(NamedTuple):
    """Texts are empty where the config does not say."""

    os: str
    architecture: str
    variant: str
    created: str
    author: str
    user: str
    working_dir: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    """The variables' names. Their values may be secrets that somebody left there."""
    labels: dict[str, str]
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...]
    history: tuple[Step, ...]


def parse_image_config(content: bytes) -> ImageConfig | None:
    """The config in `content`; None where that is no JSON object."""
    try:
        document = strict_json.loads(content)
    except strict_json.JsonInvalid:
        return None
    if not isinstance(document, dict):
        return None
    run = document.get("config")
    run = run if isinstance(run, dict) else {}
    return ImageConfig(
        os=_text(document, "os"),
        architecture=_text(document, "architecture"),
        variant=_text(document, "variant"),
        created=_text(document, "created"),
        author=_text(document, "author"),
        user=_text(run, "User"),
        working_dir=_text(run, "WorkingDir"),
        entrypoint=_texts(run, "Entrypoint"),
        cmd=_texts(run, "Cmd"),
        env=tuple(variable.partition("=")[0] for variable in _texts(run, "Env")),
        labels=_labels(run.get("Labels")),
        exposed_ports=_keys(run, "ExposedPorts"),
        volumes=_keys(run, "Volumes"),
        history=_history(document.get("history")),
    )


def layer_steps(config: ImageConfig, layers: int) -> list[int | None]:
    """For each entry of the history the number of the layer that it made, of `layers` in all.

    Every None where the numbers do not agree: a wrong answer would be worse than none.
    """
    numbers: list[int | None] = []
    made = 0
    for step in config.history:
        numbers.append(None if step.empty_layer else made)
        made += not step.empty_layer
    return numbers if made == layers else [None] * len(numbers)


def _text(document: dict[str, Any], key: str) -> str:
    found = document.get(key)
    return found if isinstance(found, str) else ""


def _texts(document: dict[str, Any], key: str) -> tuple[str, ...]:
    found = document.get(key)
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()


def _keys(document: dict[str, Any], key: str) -> tuple[str, ...]:
    found = document.get(key)
    return tuple(found) if isinstance(found, dict) else ()


def _labels(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _history(found: object) -> tuple[Step, ...]:
    if not isinstance(found, list):
        return ()
    return tuple(_step(entry if isinstance(entry, dict) else {}) for entry in found)


def _step(entry: dict[str, Any]) -> Step:
    return Step(
        created=_text(entry, "created"),
        created_by=_text(entry, "created_by"),
        comment=_text(entry, "comment"),
        empty_layer=entry.get("empty_layer") is True,
    )
